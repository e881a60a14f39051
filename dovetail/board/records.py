"""Summaries, as TensorBoard's own messages: one function for each kind of thing that is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message, need
from dovetail.board.arrays import png

NO_TENSORFLOW = "tensorboard.compat.notf"  # where it exists, tensorboard leaves TensorFlow alone


def part(name: str) -> Any:
    """A module of the tensorboard package. Raises: MissingExtra without it."""
    sys.modules.setdefault(NO_TENSORFLOW, ModuleType(NO_TENSORFLOW))
    return need(f"tensorboard.{name}", "tensorboard", "SummaryWriter")


def proto(name: str) -> Any:
    """One of TensorBoard's message files, such as summary_pb2."""
    return part(f"compat.proto.{name}_pb2")


def summary(**value: Any) -> Any:
    """A summary of one value."""
    kinds = proto("summary").Summary
    return kinds(value=[kinds.Value(**value)])


def of_plugin(name: str, content: bytes = b"") -> Any:
    """Metadata that says which part of TensorBoard shows a value."""
    kinds = proto("summary").SummaryMetadata
    return kinds(plugin_data=kinds.PluginData(plugin_name=name, content=content))


def tensor_message(array: np.ndarray) -> Any:
    """An array as a message, float32 or float64."""
    array = array if array.dtype == np.float64 else array.astype(np.float32)
    kind = "DT_DOUBLE" if array.dtype == np.float64 else "DT_FLOAT"
    shape = proto("tensor_shape").TensorShapeProto
    sizes = shape(dim=[shape.Dim(size=n) for n in array.shape])
    values = {"double_val" if kind == "DT_DOUBLE" else "float_val": array.ravel().tolist()}
    return proto("tensor").TensorProto(dtype=getattr(proto("types"), kind), tensor_shape=sizes, **values)


def scalar(tag: str, value: float, new_style: bool = False, double_precision: bool = False) -> Any:
    """A number; new_style: as a tensor, the way TensorFlow 2 writes it."""
    if not new_style:
        return summary(tag=tag, simple_value=value)
    array = np.array(value, np.float64 if double_precision else np.float32)
    return summary(tag=tag, tensor=tensor_message(array), metadata=of_plugin("scalars"))


def tensor(tag: str, array: np.ndarray) -> Any:
    """An array as it is."""
    return summary(tag=tag, tensor=tensor_message(array), metadata=of_plugin("tensor"))


def wide_bins() -> np.ndarray:
    """Edges that grow by a tenth from 1e-12 to 1e20, on both sides of zero: TensorFlow's."""
    grown = 1e-12 * 1.1 ** np.arange(np.ceil(np.log(1e32) / np.log(1.1)))
    return np.concatenate([-grown[::-1], [0.0], grown])


def histogram(tag: str, values: np.ndarray, bins: Any, max_bins: int | None) -> Any:
    """How values are spread; empty bins at both ends are left out.

    Raises: ArgumentError if there are no values, or some are not finite.
    """
    values = values.reshape(-1).astype(np.float64)
    if not values.size or not np.isfinite(values).all():
        facts = [("tag", tag), ("values", values.size), ("not finite", int((~np.isfinite(values)).sum()))]
        raise ArgumentError(message("add_histogram", "takes one or more finite values", facts))
    counts, limits = np.histogram(values, bins=wide_bins() if isinstance(bins, str) and bins == "tensorflow" else bins)
    if max_bins is not None and len(counts) > max_bins:
        step = -(-len(counts) // max_bins)
        counts = np.add.reduceat(counts, np.arange(0, len(counts), step))
        limits = np.append(limits[:-1:step], limits[-1])
    used = np.flatnonzero(counts)
    first, last = used[0], used[-1] + 1
    # a bucket holds what lies below its limit, so one empty bucket says where the first begins
    shown_counts, shown_limits = np.concatenate([[0], counts[first:last]]), limits[first : last + 1]
    return raw_histogram(
        tag,
        values.min(),
        values.max(),
        len(values),
        values.sum(),
        values @ values,
        shown_limits.tolist(),
        shown_counts.tolist(),
    )


def raw_histogram(tag, least, most, number, total, squares, limits, counts) -> Any:
    """A histogram that has been counted already."""
    made = proto("summary").HistogramProto(
        min=least,
        max=most,
        num=number,
        sum=total,
        sum_squares=squares,
        bucket_limit=limits,
        bucket=counts,
    )
    return summary(tag=tag, histo=made)


def image(tag: str, pixels: np.ndarray, encoded: bytes | None = None) -> Any:
    """A picture (h, w, c) of bytes."""
    h, w, c = pixels.shape[-3:]
    data = png(pixels) if encoded is None else encoded
    return summary(
        tag=tag, image=proto("summary").Summary.Image(height=h, width=w, colorspace=c, encoded_image_string=data)
    )


def audio(tag: str, data: bytes, frames: int, channels: int, sample_rate: int) -> Any:
    """A sound as a WAV file."""
    made = proto("summary").Summary.Audio(
        sample_rate=sample_rate,
        num_channels=channels,
        length_frames=frames,
        encoded_audio_string=data,
        content_type="audio/wav",
    )
    return summary(tag=tag, audio=made)


def text(tag: str, words: str) -> Any:
    """A text, shown as Markdown."""
    content = part("plugins.text.plugin_data_pb2").TextPluginData(version=0).SerializeToString()
    shape = proto("tensor_shape").TensorShapeProto
    made = proto("tensor").TensorProto(
        dtype=proto("types").DT_STRING, string_val=[words.encode()], tensor_shape=shape(dim=[shape.Dim(size=1)])
    )
    return summary(tag=tag + "/text_summary", tensor=made, metadata=of_plugin("text", content))


def pr_curve(tag: str, rows: np.ndarray, num_thresholds: int) -> Any:
    """(6, thresholds): true and false positives, true and false negatives, precision, recall."""
    content = part("plugins.pr_curve.plugin_data_pb2").PrCurvePluginData(version=0, num_thresholds=num_thresholds)
    metadata = of_plugin("pr_curves", content.SerializeToString())
    return summary(tag=tag, tensor=tensor_message(rows), metadata=metadata)


def pr_rows(labels: np.ndarray, predictions: np.ndarray, num_thresholds: int, weights: np.ndarray) -> np.ndarray:
    """What pr_curve takes, counted at thresholds that divide 0..1 evenly."""
    place = np.floor(predictions * (num_thresholds - 1)).astype(int)
    limits = (0, num_thresholds - 1)
    positives, _ = np.histogram(place, num_thresholds, limits, weights=weights * labels)
    negatives, _ = np.histogram(place, num_thresholds, limits, weights=weights * (1 - labels))
    tp, fp = positives[::-1].cumsum()[::-1], negatives[::-1].cumsum()[::-1]
    tn, fn = fp[0] - fp, tp[0] - tp
    least = 1e-7
    return np.stack([tp, fp, tn, fn, tp / np.maximum(least, tp + fp), tp / np.maximum(least, tp + fn)])


def custom_scalars(layout: Mapping[str, Mapping[str, tuple[str, Sequence[str]]]]) -> Any:
    """Charts of several scalars: {category: {title: ("Multiline" or "Margin", tags)}}."""
    pb = part("plugins.custom_scalar.layout_pb2")
    categories = []
    for name, charts in layout.items():
        made = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                series = pb.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                made.append(pb.Chart(title=title, margin=pb.MarginChartContent(series=[series])))
            else:
                made.append(pb.Chart(title=title, multiline=pb.MultilineChartContent(tag=[f"{tag}$" for tag in tags])))
        categories.append(pb.Category(title=name, chart=made))
    data = pb.Layout(category=categories).SerializeToString()
    content = proto("tensor").TensorProto(
        dtype=proto("types").DT_STRING, string_val=[data], tensor_shape=proto("tensor_shape").TensorShapeProto()
    )
    return summary(tag="custom_scalars__config__", tensor=content, metadata=of_plugin("custom_scalars"))


def hparams(settings: Mapping[str, Any], metrics: Mapping[str, Any], choices: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Three summaries: which settings and metrics there are, the settings of this run, its end.

    Raises: ArgumentError for a setting that is no number, text or bool.
    """
    pb, plugin = part("plugins.hparams.api_pb2"), part("plugins.hparams.plugin_data_pb2")
    names = part("plugins.hparams.metadata")
    kinds: list[tuple[tuple[type, ...], str, str]] = [
        ((bool,), "DATA_TYPE_BOOL", "bool_value"),
        ((int, float), "DATA_TYPE_FLOAT64", "number_value"),
        ((str,), "DATA_TYPE_STRING", "string_value"),
    ]
    infos, start = [], plugin.SessionStartInfo()
    for name, value in settings.items():
        value = value.item() if hasattr(value, "item") else value
        if value is None:
            continue
        found = next((row for row in kinds if isinstance(value, row[0])), None)
        if found is None:
            facts = [("setting", name), ("received", type(value).__name__), ("takes", "int, float, str, bool")]
            raise ArgumentError(message("add_hparams", "a setting is one number, text or bool", facts))
        setattr(start.hparams[name], found[2], value)
        info = pb.HParamInfo(name=name, type=getattr(pb, found[1]))
        for choice in choices.get(name, ()):
            info.domain_discrete.values.add(**{found[2]: choice})
        infos.append(info)
    shown = [pb.MetricInfo(name=pb.MetricName(tag=tag)) for tag in metrics]
    experiment = plugin.HParamsPluginData(experiment=pb.Experiment(hparam_infos=infos, metric_infos=shown), version=0)
    begun = plugin.HParamsPluginData(session_start_info=start, version=0)
    ended = plugin.HParamsPluginData(
        session_end_info=plugin.SessionEndInfo(status=pb.Status.Value("STATUS_SUCCESS")), version=0
    )
    tags = (names.EXPERIMENT_TAG, names.SESSION_START_INFO_TAG, names.SESSION_END_INFO_TAG)
    return [
        summary(tag=tag, metadata=of_plugin("hparams", data.SerializeToString()))
        for tag, data in zip(tags, (experiment, begun, ended), strict=True)
    ]


def mesh(tag: str, arrays: Mapping[str, np.ndarray | None], config: str) -> Any:
    """Points and triangles in space: VERTEX, FACE and COLOR arrays."""
    names, pb = part("plugins.mesh.metadata"), part("plugins.mesh.plugin_data_pb2")
    given = {kind: array for kind, array in arrays.items() if array is not None}
    components = names.get_components_bitmask([getattr(pb.MeshPluginData, kind) for kind in given])
    kinds = proto("summary").Summary
    values = []
    for kind, array in given.items():
        code = getattr(pb.MeshPluginData, kind)
        metadata = names.create_summary_metadata(tag, "", code, components, array.shape, "", json_config=config)
        place = names.get_instance_name(tag, code)
        values.append(kinds.Value(tag=place, tensor=tensor_message(array), metadata=metadata))
    return kinds(value=values)
