"""Reading of the HDF5 files of Keras."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.readers import read_state
from sunpy_ml.weights.registry import build_empty
from tests.weights.keras_files import arrays_of, layers_of, write


class Branches(nn.Module):
    """Two branches and a dense head: the layers of one kind have the same shapes, so that only their order counts."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2, eps=1e-3))
        self.left = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1))
        self.right = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1))
        self.up = nn.ConvTranspose2d(2, 3, 2, stride=2)
        self.last = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3))
        self.head = nn.Sequential(nn.Linear(4 * 6 * 8, 5), nn.ReLU(), nn.Linear(5, 2))

    def forward(self, x):
        x = self.first(x)
        x = self.last(self.up(self.left(x) + self.right(x)))
        return self.head(x.flatten(1))


FLATTENED = (4, 6, 8)


@pytest.fixture
def network():
    torch.manual_seed(1)
    network = Branches()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.1)
    return network.eval()


@pytest.fixture
def layers(network):
    return layers_of(network, 2, FLATTENED)


def same(found, network):
    expected = network.state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, msg=name)


def refused(path, message, format="keras"):
    """The error is clear, and nothing is loaded."""
    network = Branches()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=message) as caught:
        read_state(path, format, network)
    assert repr(str(path)) in str(caught.value)
    same(before, network)


@pytest.mark.parametrize("name", ["enhance", "deepvel", "deepvelu"])
def test_files_of_keras_itself_reproduce_its_outputs(shared_data, name):
    folder = shared_data.parent / "keras_fixtures"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    network = build_empty(name, {})
    network.load_state_dict(read_state(folder / f"{name}_random.h5", "keras", network), assign=True)
    arrays = np.load(folder / f"{name}_random_io.npz")
    with torch.inference_mode():
        output = network.eval()(torch.from_numpy(arrays["x"]).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    assert abs(output - arrays["y"]).max() < 1e-4 * arrays["y"].std()


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("group", ["", "model_weights"])
@pytest.mark.parametrize("suffix", [True, False])
@pytest.mark.parametrize("text", [True, False])
def test_every_layout_is_read(tmp_path, network, version, group, suffix, text):
    path = write(tmp_path / "x.h5", layers_of(network, version, FLATTENED), group=group, suffix=suffix, text=text)
    same(read_state(path, "keras", build_empty_branches()), network)


def build_empty_branches():
    with torch.device("meta"):
        return Branches()


def test_names_in_several_attributes(tmp_path, network, layers):
    same(read_state(write(tmp_path / "x.h5", layers, chunks=3), "keras", Branches()), network)


def test_names_that_lost_or_kept_what_tensorflow_adds(tmp_path, network, layers):
    path = write(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as file:
        file["conv2d_1"].attrs["weight_names"] = ["conv2d_1/kernel", "conv2d_1/bias"]
        file["conv2d_2"].move("conv2d_2/kernel:0", "conv2d_2/kernel")
    same(read_state(path, "keras", Branches()), network)


def test_arrays_without_names_of_their_own(tmp_path, network, layers):
    nameless = [(name, {f"param_{k}": array for k, array in enumerate(arrays.values())}) for name, arrays in layers]
    same(read_state(write(tmp_path / "x.h5", nameless), "keras", Branches()), network)


def test_the_standard_deviation_of_keras_1_is_a_variance(tmp_path, network):
    path = write(tmp_path / "x.h5", layers_of(network, 1, FLATTENED))
    with h5py.File(path) as file:
        kept = file["batchnormalization_1/batchnormalization_1_running_std:0"][()]
    state = read_state(path, "keras", Branches())
    np.testing.assert_array_equal(state["first.1.running_var"], kept)


@pytest.mark.parametrize("first", [1, 9, 98])
@pytest.mark.parametrize("order", ["by depth", "reversed", "by the alphabet"])
def test_numbers_count_and_not_the_order_of_the_list(tmp_path, network, first, order):
    layers = layers_of(network, 2, first=first)
    head = [layer for layer in layers if layer[0].startswith("dense")]
    rest = [layer for layer in layers if not layer[0].startswith("dense")]
    if order == "by depth":
        # As Keras lists two branches: their first layers, then their second ones.
        branches = [index for index, (name, _) in enumerate(rest) if name in {f"conv2d_{first + k}" for k in (2, 3)}]
        rest[branches[0]], rest[branches[1]] = rest[branches[1]], rest[branches[0]]
    elif order == "reversed":
        rest.reverse()
    else:
        rest.sort()
    flattened = arrays_of(network.head[0], FLATTENED)
    head[0] = (head[0][0], dict(zip(head[0][1], flattened.values(), strict=True)))
    # The convolution before the dense layer stays before it.
    last = max((layer for layer in rest if layer[0].startswith("conv2d_") and "transpose" not in layer[0]), key=number)
    rest.remove(last)
    path = write(tmp_path / "x.h5", [*rest, last, ("flatten", {}), *head])
    same(read_state(path, "keras", Branches()), network)


def number(layer):
    return int(layer[0].rpartition("_")[2])


def test_layers_with_names_of_the_authors_count_in_the_order_of_the_list(tmp_path, network, layers):
    words = iter(["enc_2", "norm", "zebra", "ant_1", "bee", "cow_7", "deconv", "dog", "other", "flatten", "fc", "out"])
    named = []
    for name, arrays in layers:
        word = next(words)
        named.append((word, {path.replace(name, word): array for path, array in arrays.items()}))
    same(read_state(write(tmp_path / "x.h5", named), "keras", Branches()), network)


def test_a_dense_layer_reads_channels_last(tmp_path, network, layers):
    path = write(tmp_path / "x.h5", layers)
    loaded = Branches()
    loaded.load_state_dict(read_state(path, "keras", loaded))
    image = torch.rand(1, 1, 4, 5)
    features = {}
    loaded.last.register_forward_hook(lambda *call: features.update(x=call[-1]))
    output = loaded.eval().head[0](loaded.last(loaded.up(torch.rand(1, 2, 4, 5))).flatten(1))
    with h5py.File(path) as file:
        kernel, bias = file["dense_1/dense_1/kernel:0"][()], file["dense_1/dense_1/bias:0"][()]
    channels_last = features["x"].permute(0, 2, 3, 1).detach().numpy().reshape(1, -1)
    np.testing.assert_allclose(output.detach().numpy(), channels_last @ kernel + bias, rtol=1e-4)
    assert loaded(image).shape == (1, 2)


def test_a_dense_layer_after_pooling_is_not_reordered(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    layers = layers_of(network, 2)
    layers[1:1] = [("global_average_pooling2d", {}), ("global_max_pooling2d", {}), ("concatenate", {})]
    state = read_state(write(tmp_path / "x.h5", layers), "keras", network)
    torch.testing.assert_close(state["3.weight"], network[3].weight.detach(), rtol=0, atol=0)


def test_numbers_of_other_precision_and_byte_order(tmp_path, network, layers):
    for dtype in (">f4", "<f8", ">f8"):
        other = [(name, {path: array.astype(dtype) for path, array in arrays.items()}) for name, arrays in layers]
        same(read_state(write(tmp_path / "x.h5", other), "keras", Branches()), network)


def change(layers, name, role, function):
    (arrays,) = [arrays for other, arrays in layers if other == name]
    (path,) = [path for path in arrays if role in path]
    arrays[path] = function(arrays[path])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda layers: layers.pop(0),
            r"has 5 layers of the kind convolution, its network 6: missing .*\['last.0'\]",
        ),
        (
            lambda layers: layers.append(("conv2d_99", {"conv2d_99/kernel:0": np.zeros((3, 3, 4, 4))})),
            r"has 7 layers of the kind convolution, its network 6: surplus \['conv2d_99'\]",
        ),
        (
            lambda layers: layers.append(("depthwise_1", {"depthwise_1/depthwise_kernel:0": np.zeros((3, 3, 4, 1))})),
            "'depthwise_1' has an array 'depthwise_1/depthwise_kernel:0' of a kind that is not known",
        ),
        (
            lambda layers: layers.append(("layer_normalization", {"layer_normalization/gamma:0": np.zeros(4)})),
            "'layer_normalization' is neither a convolution",
        ),
        (
            lambda layers: change(layers, "conv2d_1", "kernel", lambda array: array.transpose(3, 2, 0, 1)),
            r"the weight of the layer 'conv2d_1' is \(2, 1, 3, 3\) instead of \(3, 3, 1, 2\), which 'first.0'",
        ),
        (
            lambda layers: change(layers, "dense_2", "kernel", np.transpose),
            r"the weight of the layer 'dense_2' is \(2, 5\) instead of \(5, 2\)",
        ),
        (
            lambda layers: change(layers, "conv2d_3", "bias", lambda array: array * np.nan),
            "left.1.bias is not finite",
        ),
        (
            lambda layers: change(layers, "conv2d_3", "bias", lambda array: array * np.inf),
            "left.1.bias is not finite",
        ),
        (
            lambda layers: change(layers, "conv2d_3", "bias", lambda array: array.astype("f8") * 1e300),
            "left.1.bias is not finite",
        ),
        (
            lambda layers: change(layers, "conv2d_3", "bias", lambda array: array.astype(int)),
            "bias:0 is int64 of shape",
        ),
        (
            lambda layers: change(layers, "conv2d_3", "bias", lambda array: array.astype("S4")),
            "not an array of real numbers",
        ),
        (lambda layers: layers[0][1].pop("conv2d_1/bias:0"), "the layer 'conv2d_1' lacks bias, unlike 'first.0'"),
        (
            lambda layers: layers[1][1].pop("batch_normalization_1/gamma:0"),
            "the layer 'batch_normalization_1' lacks weight",
        ),
        (
            lambda layers: layers[0][1].update({"conv2d_1/kernel_1:0": np.zeros(3)}),
            "two arrays of one meaning",
        ),
        (
            lambda layers: layers.remove(("flatten_1", {})),
            "reads 192 values made of 4 channels .* their order cannot be told",
        ),
        (
            lambda layers: change(layers, "dense_1", "kernel", lambda array: array[:-1]),
            "reads 191 values, no multiple of the 4 channels",
        ),
    ],
)
def test_layers_that_do_not_fit(tmp_path, layers, edit, message):
    edit(layers)
    refused(write(tmp_path / "x.h5", layers), message)


def replaced(path, name, make):
    """Put what ``make`` returns, or makes, in place of a layer's array."""
    with h5py.File(path, "r+") as file:
        del file[name]
        made = make(file, name)
        if made is not None:
            file[name] = made
    return path


def external(file, name):
    shape = (3, 3, 1, 2)
    file.create_dataset(name, shape, dtype="f4", external=[(file.filename + ".raw", 0, h5py.h5f.UNLIMITED)])


def virtual(file, name):
    layout = h5py.VirtualLayout(shape=(3, 3, 1, 2), dtype="f4")
    layout[...] = h5py.VirtualSource(file.filename + ".other", "data", shape=(3, 3, 1, 2))
    file.create_virtual_dataset(name, layout)


def chunked(file, name):
    file.create_dataset(
        name, (3, 3, 1, 2), maxshape=(None, 3, 1, 2), chunks=(10**6, 3, 1, 2), compression="gzip", dtype="f4"
    )


def filtered(file, name):
    # A filter that h5py brings along, as a plugin that another program installed would be.
    file.create_dataset(name, (3, 3, 1, 2), compression="lzf", dtype="f4")


def enormous(file, name):
    file.create_dataset(name, (10**6, 10**6, 1, 2), chunks=(1000, 1000, 1, 2), compression="gzip", dtype="f4")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file, name: h5py.ExternalLink("other.h5", "/data"), "is a link, which may lead to another file"),
        (lambda file, name: h5py.SoftLink("/conv2d_2/conv2d_2/kernel:0"), "is a link"),
        (external, "lies in another file"),
        (virtual, "lies in another file"),
        (chunked, r"in chunks of \(1000000, 3, 1, 2\), larger than itself"),
        (filtered, "is stored with a filter that is not part of HDF5"),
        (enormous, r"is \(1000000, 1000000, 1, 2\) instead of \(3, 3, 1, 2\)"),
        (lambda file, name: None, "lacks the array"),
        (lambda file, name: file.create_group(name) and None, "lacks the array"),
    ],
)
def test_arrays_that_are_elsewhere_or_too_large(tmp_path, layers, make, message):
    refused(replaced(write(tmp_path / "x.h5", layers), "conv2d_1/conv2d_1/kernel:0", make), message)


def test_compressed_arrays(tmp_path, network, layers):
    path = write(tmp_path / "x.h5", layers)
    values = arrays_of(network.first[0])["kernel"]

    def compressed(file, name):
        file.create_dataset(name, data=values, compression="gzip", shuffle=True, fletcher32=True)

    same(read_state(replaced(path, "conv2d_1/conv2d_1/kernel:0", compressed), "keras", Branches()), network)


def test_nothing_is_read_before_everything_is_checked(tmp_path, layers, monkeypatch):
    change(layers, "dense_2", "kernel", np.transpose)
    path = write(tmp_path / "x.h5", layers)
    read = []
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda dataset, _: read.append(dataset.name))
    refused(path, r"\(2, 5\) instead of \(5, 2\)")
    assert read == []


def test_groups_that_are_elsewhere(tmp_path, layers):
    other = write(tmp_path / "other.h5", layers)
    path = replaced(write(tmp_path / "x.h5", layers), "conv2d_1", lambda *_: h5py.ExternalLink(other.name, "/conv2d_1"))
    refused(path, "'conv2d_1' in / is a link")
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink(other.name, "/")
    refused(path, "'model_weights' in / is a link")


@pytest.mark.parametrize("name", ["../conv2d_2", "/conv2d_2", ".", "", "gone"])
def test_names_that_lead_elsewhere(tmp_path, layers, name):
    path = write(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = [name, *(other for other, _ in layers[1:])]
    refused(path, "lacks")


def test_names_that_are_no_names_or_too_many(tmp_path, layers):
    path = write(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = [1, 2, 3]
    refused(path, "'layer_names' of / holds int64 instead of names")
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["layer_names"] = np.full(20_000, b"x")
    refused(path, "has 20000 names, more than 10000")


def test_files_of_theano_are_refused(tmp_path, layers):
    path = write(tmp_path / "x.h5", layers)
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = "theano"
    refused(path, "written with Theano, whose convolutions are flipped")


def test_files_that_are_no_weights_files_of_keras(tmp_path, layers):
    path = tmp_path / "x.h5"
    path.write_bytes(b"not HDF5 at all")
    refused(path, "no HDF5 file")
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros(3)
    refused(path, "has no 'layer_names'.*keras.models.load_model")
    write(path, layers)
    content = path.read_bytes()
    for size in (len(content) // 2, len(content) - 100):
        path.write_bytes(content[:size])
        refused(path, "damaged, or no HDF5 file")
    refused(tmp_path / "gone.h5", "there is no file")
    refused(tmp_path, "there is no file")


def test_a_network_with_weights_of_another_kind(tmp_path):
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    path = write(tmp_path / "x.h5", [("dense", {"dense/kernel:0": np.zeros((2, 3)), "dense/bias:0": np.zeros(3)})])
    with pytest.raises(WeightsError, match=r"missing 1\.weight; missing 1\.bias"):
        read_state(path, "keras", network)
