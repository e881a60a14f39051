"""SummaryWriter: what it writes, read back with tensorboard's own reader."""

from __future__ import annotations

import io
import struct
import wave
import zlib

import numpy as np
import pytest

import dovetail
from dovetail import nn
from dovetail.base.errors import ArgumentError, MissingExtra, NotCovered, ShapeError

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.util.tensor_util import make_ndarray  # noqa: E402

from dovetail.board import SummaryWriter  # noqa: E402


def read(folder) -> EventAccumulator:
    """Everything in a folder, nothing left out."""
    everything = {"scalars": 0, "histograms": 0, "images": 0, "audio": 0, "tensors": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()


@pytest.fixture
def writer(tmp_path):
    with SummaryWriter(tmp_path) as made:
        yield made


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", dovetail.tensor(1.0 / (step + 1)), step, walltime=100.0 + step)
        writer.add_scalar("new", 3, new_style=True, double_precision=True)
        writer.add_scalars("both", {"train": 1, "test": np.float32(2)}, 5)
    found = read(tmp_path)
    assert [(e.step, e.value, e.wall_time) for e in found.Scalars("loss")] == [
        (0, 1.0, 100.0),
        (1, 0.5, 101.0),
        (2, pytest.approx(1 / 3), 102.0),
    ]
    assert make_ndarray(found.Tensors("new")[0].tensor_proto) == 3
    assert read(tmp_path / "both_test").Scalars("both")[0].value == 2
    with pytest.raises(ShapeError, match="one number"):
        writer.add_scalar("loss", dovetail.ones(2))


def test_flush_writes_what_is_queued_and_close_may_be_followed_by_more(tmp_path):
    writer = SummaryWriter(tmp_path, max_queue=100, flush_secs=1000)
    writer.add_scalar("a", 1.0, 0)
    writer.flush()
    assert len(read(tmp_path).Scalars("a")) == 1
    writer.close()
    writer.close()
    writer.add_scalar("a", 2.0, 1)
    writer.close()
    assert [e.value for e in read(tmp_path).Scalars("a")] == [1.0, 2.0] or len(list(tmp_path.iterdir())) == 2


def test_purge_step_hides_what_came_before(tmp_path):
    with SummaryWriter(tmp_path, filename_suffix=".1") as writer:
        for step in range(5):
            writer.add_scalar("a", step, step, walltime=10)
    with SummaryWriter(tmp_path, purge_step=3, filename_suffix=".2") as writer:
        writer.add_scalar("a", 30, 3)
    loaded = read(tmp_path)
    assert [e.step for e in loaded.Scalars("a")] == [0, 1, 2, 3] and loaded.Scalars("a")[-1].value == 30


def test_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SummaryWriter(comment="_try").close()
    assert len(list((tmp_path / "runs").glob("*_try"))) == 1


def test_histograms(tmp_path):
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("wide", dovetail.tensor(values), 1)
        writer.add_histogram("ten", values, 1, bins=np.linspace(-5, 5, 11))
        writer.add_histogram("few", values, 1, max_bins=20)
        writer.add_histogram_raw("raw", 0, 3, 4, 6, 14, [1, 2, 3], [1, 1, 2])
    found = read(tmp_path)
    for tag in ("wide", "ten", "few"):
        h = found.Histograms(tag)[0].histogram_value
        assert (h.num, h.min, h.max) == (1000, values.min(), values.max()) and sum(h.bucket) == 1000
        assert h.sum == pytest.approx(values.astype(float).sum()) and len(h.bucket) == len(h.bucket_limit)
    ten = found.Histograms("ten")[0].histogram_value
    counts, edges = np.histogram(values, np.linspace(-5, 5, 11))
    assert dict(zip(ten.bucket_limit, ten.bucket, strict=True))[edges[6]] == counts[5]
    assert len(found.Histograms("few")[0].histogram_value.bucket) <= 21
    with pytest.raises(ArgumentError, match="finite"):
        writer.add_histogram("bad", [1.0, float("nan")])


def pixels_of(data: bytes) -> tuple[int, int, bytes]:
    """(width, height, unpacked rows) of a PNG file as ours are."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    at = data.index(b"IDAT")
    length = struct.unpack(">I", data[at - 4 : at])[0]
    return width, height, zlib.decompress(data[at + 4 : at + 4 + length])


def test_images(tmp_path):
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("hwc", picture, 1, dataformats="HWC")
        writer.add_image("chw", dovetail.tensor(picture.transpose(2, 0, 1).copy()), 1)
        writer.add_image("grey", dovetail.tensor([[0.0, 0.5], [1.0, 2.0]]), dataformats="HW")
        writer.add_images("many", dovetail.zeros(5, 3, 4, 6))
        writer.add_image_with_boxes("boxes", np.zeros((3, 8, 8), np.uint8), [[1, 1, 4, 5]])
    found = read(tmp_path)
    shown = found.Images("hwc")[0]
    assert (shown.width, shown.height) == (4, 2) and shown.step == 1
    assert shown.encoded_image_string == found.Images("chw")[0].encoded_image_string
    assert pixels_of(shown.encoded_image_string) == (4, 2, b"\0" + picture[0].tobytes() + b"\0" + picture[1].tobytes())
    assert pixels_of(found.Images("grey")[0].encoded_image_string)[2] == bytes([0, 0, 127, 0, 255, 255])
    assert (found.Images("many")[0].width, found.Images("many")[0].height) == (18, 8)
    rows = np.frombuffer(pixels_of(found.Images("boxes")[0].encoded_image_string)[2], np.uint8).reshape(8, 25)[:, 1:]
    assert (rows.reshape(8, 8, 3)[..., 0] == 255).sum() == 14
    with pytest.raises(ShapeError, match="dataformats"):
        writer.add_image("bad", np.zeros((2, 3)))


def test_pillow_reads_our_png_and_gif(tmp_path):
    image = pytest.importorskip("PIL.Image")
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("a", np.full((4, 5, 6), 7, np.uint8))
        writer.add_video("film", np.random.default_rng(0).random((1, 3, 3, 4, 6)), fps=2)
    found = read(tmp_path)
    opened = image.open(io.BytesIO(found.Images("a")[0].encoded_image_string))
    assert opened.mode == "RGBA" and np.asarray(opened).shape == (5, 6, 4) and np.asarray(opened)[0, 0, 3] == 7
    film = image.open(io.BytesIO(found.Images("film")[0].encoded_image_string))
    assert film.n_frames == 3 and film.size == (6, 4)


def test_figures(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    figure = plt.figure(figsize=(2, 1), dpi=50)
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("f", figure)
    assert read(tmp_path).Images("f")[0].width == 100 and not plt.fignum_exists(figure.number)


def test_audio_and_text(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("tone", dovetail.linspace(-1, 1, 100), sample_rate=8000)
        writer.add_text("note", "some **words**", 3)
    found = read(tmp_path)
    tone = found.Audio("tone")[0]
    with wave.open(io.BytesIO(tone.encoded_audio_string)) as sound:
        assert (sound.getnframes(), sound.getframerate(), sound.getnchannels()) == (100, 8000, 1)
    assert make_ndarray(found.Tensors("note/text_summary")[0].tensor_proto)[0] == b"some **words**"


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.body(x) + 1.0)


def test_graph(tmp_path):
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    model = Small()
    with SummaryWriter(tmp_path) as writer:
        for _ in range(3):  # recorded, replayed, compiled: the graph is the same
            writer.add_graph(model, dovetail.ones(5, 3))
    graph = GraphDef.FromString(read(tmp_path).Graph().SerializeToString())
    nodes = {node.name: node for node in graph.node}
    names = {name for name in nodes if "linear" in name or "relu" in name or "add" in name}
    assert len(names) == 4 and any(name.startswith("Small/Sequential") and name.endswith("relu") for name in names)
    assert {"input/0", "output/0", "Small/body/0/weight", "Small/head/bias"} <= set(nodes)
    first = next(node for name, node in nodes.items() if "Linear_0_" in name and node.op == "linear")
    assert list(first.input) == ["input/0", "Small/body/0/weight", "Small/body/0/bias"]
    assert [d.size for d in first.attr["_output_shapes"].list.shape[0].dim] == [5, 4]
    known = set(nodes)
    assert all(source in known for node in graph.node for source in node.input)
    with pytest.raises(ArgumentError, match="input"):
        writer.add_graph(model)


def test_hparams(tmp_path):
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    with SummaryWriter(tmp_path) as writer:
        settings = {"lr": 0.1, "layers": 2, "name": "a", "bias": True, "none": None}
        writer.add_hparams(settings, {"hparam/loss": 0.5}, {"lr": [0.1, 0.2]}, run_name="one", global_step=4)
    found = read(tmp_path / "one")
    assert [(e.step, e.value) for e in found.Scalars("hparam/loss")] == [(4, 0.5)]
    content = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    stored = HParamsPluginData.FromString(content).session_start_info.hparams
    assert stored["lr"].number_value == 0.1 and stored["bias"].bool_value and stored["name"].string_value == "a"
    experiment = HParamsPluginData.FromString(
        found.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    ).experiment
    assert {info.name for info in experiment.hparam_infos} == {"lr", "layers", "name", "bias"}
    with pytest.raises(ArgumentError, match="list"):
        writer.add_hparams({"sizes": [1, 2]}, {})


def test_pr_curve(tmp_path):
    labels, guesses = np.array([1, 0, 1, 1, 0]), np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("pr", labels, dovetail.tensor(guesses), 0, num_thresholds=11)
    rows = make_ndarray(read(tmp_path).Tensors("pr")[0].tensor_proto)
    assert rows.shape == (6, 11)
    for place, threshold in ((0, 0.0), (5, 0.5), (8, 0.8)):
        said = np.floor(guesses * 10) >= threshold * 10
        tp, fp = (said & (labels == 1)).sum(), (said & (labels == 0)).sum()
        assert rows[:4, place].tolist() == [tp, fp, 2 - fp, 3 - tp]
        assert rows[4, place] == pytest.approx(tp / (tp + fp)) and rows[5, place] == pytest.approx(tp / 3)
    with pytest.raises(ShapeError, match="one label"):
        writer.add_pr_curve("pr", [1], [0.5, 0.5])


def test_custom_scalars_and_mesh(tmp_path):
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    with SummaryWriter(tmp_path) as writer:
        writer.add_custom_scalars({"A": {"lines": ["Multiline", ["a", "b"]], "bounds": ["Margin", ["a", "b", "c"]]}})
        writer.add_mesh("shape", np.zeros((1, 4, 3)), colors=np.zeros((1, 4, 3), np.uint8))
    found = read(tmp_path)
    content = make_ndarray(found.Tensors("custom_scalars__config__")[0].tensor_proto).item()
    charts = Layout.FromString(content).category[0].chart
    assert list(charts[0].multiline.tag) == ["a$", "b$"] and charts[1].margin.series[0].upper == "c"
    assert make_ndarray(found.Tensors("shape_VERTEX")[0].tensor_proto).shape == (1, 4, 3)


def test_embedding(tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    with SummaryWriter(tmp_path) as writer:
        vectors = dovetail.arange(6.0).view(3, 2)
        for step in (0, 1, 1):
            writer.add_embedding(vectors, ["a", "b", "c"], np.zeros((3, 1, 4, 4)), step, "words")
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    assert [entry.tensor_name for entry in config.embeddings] == ["words:00000", "words:00001"]
    rows = np.loadtxt(tmp_path / config.embeddings[0].tensor_path, delimiter="\t")
    assert rows.tolist() == vectors.tolist()
    assert (tmp_path / config.embeddings[0].metadata_path).read_text().split() == ["a", "b", "c"]
    assert list(config.embeddings[0].sprite.single_image_dim) == [4, 4]
    with pytest.raises(ArgumentError, match="one label"):
        writer.add_embedding(vectors, ["a"])


def test_what_is_not_covered(writer, monkeypatch):
    with pytest.raises(NotCovered, match="add_graph"):
        writer.add_onnx_graph("m.onnx")
    import sys

    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(MissingExtra, match="tensorboard"):
        SummaryWriter("somewhere")
