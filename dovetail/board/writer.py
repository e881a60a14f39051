"""SummaryWriter: what a run shows in TensorBoard, by torch.utils.tensorboard's words."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, NotCovered, ShapeError, message
from dovetail.board import records
from dovetail.board.arrays import as_array, as_bytes, as_number, gif, ordered, tiled, wav
from dovetail.board.embedding import put, write_embedding
from dovetail.board.graphs import graph_of


class FileWriter:
    """Events into one file of a folder, by tensorboard's own writer: queued, written by a thread of its own.

    Raises: MissingExtra without the tensorboard package.
    """

    def __init__(
        self, log_dir: str | os.PathLike, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ):
        self.log_dir = str(log_dir)
        kind = records.part("summary.writer.event_file_writer").EventFileWriter
        self.event_writer = kind(self.log_dir, max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """One event, with the time and the step."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """A summary as an event."""
        self.add_event(records.proto("event").Event(summary=summary), global_step, walltime)

    def add_graph(self, graph: Any, walltime: float | None = None) -> None:
        """A GraphDef as an event."""
        self.add_event(records.proto("event").Event(graph_def=graph.SerializeToString()), None, walltime)

    def flush(self) -> None:
        """Write what is queued."""
        self.event_writer.flush()

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.event_writer.close()


class SummaryWriter:
    """Numbers, pictures, texts and more of a run, for TensorBoard to show.

    log_dir: the folder; without one, runs/<date>_<machine><comment>. purge_step: what was written from this step on by
    an earlier run is hidden. max_queue, flush_secs: how much is held back, and how long.
    A `with` block closes it. After close() the next add_... opens a new file.

    Raises: MissingExtra without the tensorboard package.
    Source: names, arguments and what the files hold as torch.utils.tensorboard.SummaryWriter.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ):
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step, self.max_queue = purge_step, max_queue
        self.flush_secs, self.filename_suffix = flush_secs, filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        """The open file; a new one where there is none."""
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, self.max_queue, self.flush_secs, self.filename_suffix)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                pb = records.proto("event")
                self.file_writer.add_event(pb.Event(step=self.purge_step, file_version="brain.Event:2"))
                started = pb.SessionLog(status=pb.SessionLog.START)
                self.file_writer.add_event(pb.Event(step=self.purge_step, session_log=started))
                self.purge_step = None
        return self.file_writer

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def _add(self, summary: Any, step: int | None, walltime: float | None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    # -- numbers ---------------------------------------------------------------------------------

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """One number at one step: a point of a curve."""
        value = as_number(scalar_value, "add_scalar")
        self._add(records.scalar(tag, value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several curves in one chart: each in a folder of its own below this one's."""
        walltime = time.time() if walltime is None else walltime
        self._get_file_writer()
        for tag, value in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            writer = self.all_writers.get(folder)
            if writer is None:
                writer = FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)
                self.all_writers[folder] = writer
            writer.add_summary(records.scalar(main_tag, as_number(value, "add_scalars")), global_step, walltime)

    def add_tensor(self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """An array as it is."""
        self._add(records.tensor(tag, as_array(tensor, "add_tensor")), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str | Sequence[float] = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How the values are spread. bins: "tensorflow", or what numpy.histogram takes.

        Raises: ArgumentError without values, or if some are not finite.
        """
        self._add(records.histogram(tag, as_array(values, "add_histogram"), bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that has been counted already.

        Raises: ArgumentError unless there are as many limits as counts.
        """
        limits, counts = (as_array(x, "add_histogram_raw").tolist() for x in (bucket_limits, bucket_counts))
        if len(limits) != len(counts):
            facts = [("bucket_limits", len(limits)), ("bucket_counts", len(counts))]
            raise ArgumentError(message("add_histogram_raw", "one limit for each count", facts))
        self._add(records.raw_histogram(tag, min, max, num, sum, sum_squares, limits, counts), global_step, walltime)

    # -- pictures, sounds, texts -----------------------------------------------------------------

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture: bytes, or values in 0..1. dataformats names its dimensions: CHW, HWC, HW.

        Raises: ShapeError if that does not fit.
        """
        pixels = ordered(as_array(img_tensor, "add_image"), dataformats, "HWC", "add_image")
        self._add(records.image(tag, as_bytes(pixels)), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Pictures side by side."""
        if isinstance(img_tensor, (list, tuple)):
            img_tensor = np.stack([as_array(each, "add_images") for each in img_tensor])
        pixels = ordered(as_array(img_tensor, "add_images"), dataformats, "NHWC", "add_images")
        self._add(records.image(tag, tiled(as_bytes(pixels))), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Sequence[str] | None = None,
    ) -> None:
        """A picture with boxes (n, 4) drawn on it, given by corners. labels, rescale: accepted; only lines are drawn.

        Raises: ShapeError if a box has not four numbers.
        """
        pixels = as_bytes(ordered(as_array(img_tensor, "add_image_with_boxes"), dataformats, "HWC", "add_image")).copy()
        boxes = as_array(box_tensor, "add_image_with_boxes").astype(int)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ShapeError(message("add_image_with_boxes", "takes boxes (n, 4)", [("boxes", boxes)]))
        h, w, c = pixels.shape
        colour = np.array([255, 0, 0, 255], np.uint8)[:c]
        for x1, y1, x2, y2 in boxes:
            left, right = np.clip([x1, x2], 0, w - 1)
            top, bottom = np.clip([y1, y2], 0, h - 1)
            pixels[[top, bottom], left : right + 1] = colour
            pixels[top : bottom + 1, [left, right]] = colour
        self._add(records.image(tag, pixels), global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A figure of matplotlib, or several, as pictures; close: the figure is closed afterwards."""
        figures = figure if isinstance(figure, (list, tuple)) else [figure]
        pixels = []
        for each in figures:
            agg = records.need("matplotlib.backends.backend_agg", "plot", "add_figure")
            canvas = agg.FigureCanvasAgg(each)
            canvas.draw()
            pixels.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
            if close:
                records.need("matplotlib.pyplot", "plot", "add_figure").close(each)
        shown = pixels[0] if len(pixels) == 1 else tiled(np.stack(pixels))
        self._add(records.image(tag, shown), global_step, walltime)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Films (n, t, c, h, w) side by side, as an animated GIF.

        Raises: ShapeError for another rank; MissingExtra without Pillow.
        """
        film = as_array(vid_tensor, "add_video")
        if film.ndim != 5:
            raise ShapeError(message("add_video", "takes films (n, t, c, h, w)", [("vid_tensor", film)]))
        film = as_bytes(film).transpose(1, 0, 3, 4, 2)
        frames = np.stack([tiled(frame) for frame in film])
        self._add(records.image(tag, frames[0], gif(frames, fps)), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """A sound with values in -1..1: (samples), (1, samples) or (channels, samples)."""
        sound = as_array(snd_tensor, "add_audio").astype(np.float32)
        sound = sound.reshape(1, -1) if sound.ndim == 1 else sound
        if sound.ndim != 2:
            raise ShapeError(message("add_audio", "takes (samples) or (channels, samples)", [("snd_tensor", sound)]))
        data = wav(sound.T, sample_rate)
        self._add(records.audio(tag, data, sound.shape[1], sound.shape[0], sample_rate), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text; Markdown is shown as such."""
        self._add(records.text(tag, text_string), global_step, walltime)

    # -- models and experiments ------------------------------------------------------------------

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """The model's ops in the scopes of its modules, from one run on `input_to_model`.

        verbose: print the graph too. Raises: ArgumentError without an input.
        """
        if input_to_model is None:
            raise ArgumentError(message("add_graph", "needs an input to run the model on", [], "add_graph(model, x)"))
        graph = graph_of(model, input_to_model)
        if verbose:
            print(graph)
        self._get_file_writer().add_graph(graph)

    def add_onnx_graph(self, prototxt: Any) -> None:
        """Raises: NotCovered; ONNX files are not read here."""
        raise NotCovered(message("add_onnx_graph", "ONNX files are not read here", [], "add_graph(model, input)"))

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """The settings of a run beside what it reached, in a folder of its own below this one's."""
        if not isinstance(hparam_dict, Mapping) or not isinstance(metric_dict, Mapping):
            raise ArgumentError(message("add_hparams", "hparam_dict and metric_dict must be dictionaries"))
        made = records.hparams(hparam_dict, metric_dict, hparam_domain_discrete or {})
        writer = FileWriter(os.path.join(self.log_dir, run_name or str(time.time())))
        for each in made:
            writer.add_summary(each)
        for tag, value in metric_dict.items():
            writer.add_summary(records.scalar(tag, as_number(value, "add_hparams")), global_step)
        writer.close()

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision against recall of predictions in 0..1 for labels 0 and 1.

        Raises: ShapeError unless there is one label for each prediction.
        """
        truth, guess = (as_array(x, "add_pr_curve").reshape(-1).astype(np.float64) for x in (labels, predictions))
        if truth.shape != guess.shape:
            facts = [("labels", truth), ("predictions", guess)]
            raise ShapeError(message("add_pr_curve", "one label for each prediction", facts))
        count = min(num_thresholds, 127)
        share = np.ones_like(truth) if weights is None else as_array(weights, "add_pr_curve").reshape(-1)
        rows = records.pr_rows(truth, guess, count, share)
        self._add(records.pr_curve(tag, rows, count), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """A curve that has been counted already."""
        given = (true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts)
        rows = np.stack([as_array(x, "add_pr_curve_raw").astype(np.float64) for x in (*given, precision, recall)])
        self._add(records.pr_curve(tag, rows, min(num_thresholds, 127)), global_step, walltime)

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Any]]) -> None:
        """Charts of several scalars: {category: {title: ["Multiline" or "Margin", [tags]]}}. Once is enough."""
        self._add(records.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart with a line for each tag."""
        self.add_custom_scalars({category: {title: ("Multiline", tags)}})

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart with a line and its lower and upper bound: three tags."""
        if len(tags) != 3:
            raise ArgumentError(message("add_custom_scalars_marginchart", "takes three tags", [("tags", list(tags))]))
        self.add_custom_scalars({category: {title: ("Margin", tags)}})

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Points (n, points, 3) in space, their colours and the triangles between them."""
        given = {"VERTEX": vertices, "FACE": faces, "COLOR": colors}
        arrays = {kind: None if x is None else as_array(x, "add_mesh") for kind, x in given.items()}
        config = json.dumps(dict(config_dict or {}), sort_keys=True)
        self._add(records.mesh(tag, arrays, config), global_step, walltime)

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Vectors (n, d) for the projector, with labels and pictures (n, c, h, w)."""
        folder, place = Path(self.log_dir), f"{int(global_step or 0):05d}/{tag.replace('/', '%2f')}"
        self._get_file_writer()
        pictures = None if label_img is None else as_array(label_img, "add_embedding")
        vectors = as_array(mat, "add_embedding").astype(np.float64)
        entry = write_embedding(folder, place, f"{tag}:{place[:5]}", vectors, metadata, metadata_header, pictures)
        listing = folder / "projector_config.pbtxt"
        before = listing.read_text() if listing.exists() else ""
        if entry not in before:
            put(listing, before + entry)

    # -- the file --------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is queued, in every file of this writer."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write what is queued and close the files."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
