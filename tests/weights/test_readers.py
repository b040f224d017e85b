"""Reading of torch's and safetensors' files, and what every format has in common."""

import copy
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sunpy_ml.classification.networks import SlicNetwork
from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.readers import check_state, fit_state, read_state

ZIP_AND_LEGACY = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 3)


@pytest.fixture
def network():
    torch.manual_seed(3)
    network = Network()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape) if tensor.is_floating_point() else torch.tensor(7))
    return network


@pytest.fixture
def state(network):
    return copy.deepcopy(network.state_dict())


def same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert type(found[name]) is torch.Tensor
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor.detach(), rtol=0, atol=0, msg=name)


def empty():
    with torch.device("meta"):
        return Network()


def refused(path, format, message):
    """The error is clear, and nothing is loaded."""
    network = Network()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(WeightsError, match=message) as caught:
        read_state(path, format, network)
    assert repr(str(path)) in str(caught.value)
    same(before, network.state_dict())


def save(content, path, zipped=True):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


# ---------------------------------------------------------------------------------------------- torch: what is read


@ZIP_AND_LEGACY
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
def test_states_in_wrappers_and_with_prefixes(tmp_path, state, zipped, wrapper, prefix):
    content = {prefix + name: tensor for name, tensor in state.items()}
    if wrapper:
        content = {"epoch": 3, "name": "best", wrapper: content, "best_loss": 0.1, "history": [1.0, (2, None)]}
    same(read_state(save(content, tmp_path / "x.pth", zipped), "torch", empty()), state)


def test_a_wrapper_may_name_its_architecture(tmp_path, state):
    content = {"model": "unet", "state_dict": {"model": state}}
    same(read_state(save(content, tmp_path / "x.pth"), "torch", empty()), state)


@ZIP_AND_LEGACY
def test_numbers_of_numpy_beside_the_state(tmp_path, state, zipped):
    scalars = [np.float64(0.5), np.float32(0.5), np.float16(1), np.int64(3), np.uint8(3), np.bool_(True)]
    content = {"model_state_dict": state, "losses": {"train": scalars}, "best_loss": np.float64(0.25)}
    before = torch.serialization.get_safe_globals()
    same(read_state(save(content, tmp_path / "x.pth", zipped), "torch", empty()), state)
    # What is allowed here is allowed here only.
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_numbers_of_older_numpy(tmp_path, state):
    path = save({"state_dict": state, "best_loss": np.float64(0.25)}, tmp_path / "x.pth", zipped=False)
    new, old = b"numpy._core.multiarray\nscalar", b"numpy.core.multiarray\nscalar"
    content = path.read_bytes()
    assert new in content or old in content
    for module in (new, old):
        path.write_bytes(content.replace(new, module).replace(old, module))
        same(read_state(path, "torch", empty()), state)


@pytest.mark.parametrize("number", [np.float64(-0.3), np.float64(0.3)], ids=["also UTF-8", "not UTF-8"])
def test_numbers_of_numpy_from_python_2(tmp_path, state, number):
    path = save({"state_dict": state, "best_loss": number}, tmp_path / "x.pth", zipped=False)
    # Python 3 writes bytes as a call of _codecs.encode; Python 2 wrote them as they are.
    called = re.compile(rb"c_codecs\nencode\n.*?X\x06\x00\x00\x00latin1.*?R", re.DOTALL)
    content, count = called.subn(lambda _: b"U\x08" + number.tobytes(), path.read_bytes())
    assert count == 1
    path.write_bytes(content)
    same(read_state(path, "torch", empty()), state)


def test_what_the_caller_allowed_stays_allowed(tmp_path, state):
    path = save({"state_dict": state, "best_loss": np.float64(0.25)}, tmp_path / "x.pth")
    with torch.serialization.safe_globals([np.dtype]):
        before = torch.serialization.get_safe_globals()
        read_state(path, "torch", empty())
        assert set(torch.serialization.get_safe_globals()) == set(before)
        assert np.dtype in before


@ZIP_AND_LEGACY
def test_counters_of_batches_that_old_files_lack_are_zero(tmp_path, state, zipped):
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    found = read_state(save(old, tmp_path / "x.pth", zipped), "torch", empty())
    same(found, {**state, "block.1.num_batches_tracked": torch.tensor(0)})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_converted(tmp_path, state, dtype):
    other = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    found = read_state(save(other, tmp_path / "x.pth"), "torch", empty())
    same(found, {name: other[name].to(tensor.dtype) for name, tensor in state.items()})


def test_parameters_and_other_layouts_become_plain_tensors(tmp_path, state):
    state["block.0.weight"] = nn.Parameter(state["block.0.weight"])
    expected = dict(state)
    state["head.weight"] = state["head.weight"].t().contiguous().t()
    found = read_state(save(state, tmp_path / "x.pth"), "torch", empty())
    same(found, expected)
    assert not any(tensor.requires_grad for tensor in found.values())
    assert all(tensor.is_contiguous() for tensor in found.values())


def test_a_small_file_cannot_stand_for_a_large_network(tmp_path):
    with torch.device("meta"):
        network = SlicNetwork()
    state = {name: tensor for name, tensor in network.state_dict().items() if tensor.numel() < 10**6}
    stand_ins = {name: torch.zeros_like(tensor, device="cpu") for name, tensor in state.items()}
    path = save(stand_ins, tmp_path / "sol_class_4.pth", zipped=False)
    with pytest.raises(WeightsError, match=r"missing layer7\.0\.weight; .*missing classifier\.0\.weight"):
        read_state(path, "torch", network)


# --------------------------------------------------------------------------------------------- torch: what is refused


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


@ZIP_AND_LEGACY
@pytest.mark.parametrize("place", ["alone", "in the state", "beside the state"])
def test_code_in_a_file_is_not_run(tmp_path, state, zipped, place):
    marker = tmp_path / "was here"
    evil = Evil(marker)
    content = {
        "alone": evil,
        "in the state": {**state, "extra": evil},
        "beside the state": {"state_dict": state, "optimizer": evil},
    }[place]
    path = save(content, tmp_path / "x.pth", zipped)
    refused(
        path, "torch", r"it holds .*mkdir, which is code and not weights.*torch\.save\(model\.state_dict\(\), path\)"
    )
    assert not marker.exists()
    # The file is what it seems: whoever trusts it runs its code.
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_a_pickle_of_python_is_not_even_opened(tmp_path):
    marker = tmp_path / "was here"
    path = tmp_path / "x.pth"
    path.write_bytes(pickle.dumps(Evil(marker), protocol=2))
    refused(path, "torch", "not written by torch.save. Convert it where it was made")
    assert not marker.exists()


@ZIP_AND_LEGACY
def test_a_whole_model_is_refused_with_the_cure(tmp_path, zipped):
    path = save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "x.pth", zipped)
    message = r"it holds torch\.nn\.modules\.container\.Sequential, .* as in a whole pickled model\. Convert it .*"
    refused(path, "torch", message + r"load it there with the authors' code.*safetensors\.torch\.save_file")


def test_a_program_is_refused_with_the_cure(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"x/{name}", b"")
    refused(path, "torch", "it is a TorchScript program, not a state. Convert")


def test_an_archive_that_would_grow_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(10**7))
    assert path.stat().st_size < 20_000
    refused(path, "torch", r"1 records would grow to 10000000 bytes .*\('x/data\.pkl' is compressed\)")


def test_an_archive_that_is_compressed_at_all_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"N.", zipfile.ZIP_DEFLATED)
    refused(path, "torch", r"\('x/data\.pkl' is compressed\)")


def test_an_archive_whose_records_overlap_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/0", bytes(10**6))
        for number in range(1, 50):
            record = copy.copy(archive.filelist[0])
            record.filename = record.orig_filename = f"x/{number}"
            archive.filelist.append(record)
    refused(path, "torch", "50 records would grow to 50000000 bytes")


@ZIP_AND_LEGACY
def test_damaged_files(tmp_path, state, zipped):
    path = save(state, tmp_path / "x.pth", zipped)
    content = path.read_bytes()
    for size in (40, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:size])
        refused(path, "torch", "damaged")
    path.write_bytes(b"")
    refused(path, "torch", "not written by torch.save")
    path.write_bytes(b"<html>not found</html>")
    refused(path, "torch", "not written by torch.save")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], "holds list instead of a dict of tensors"),
        (torch.zeros(2), "holds Tensor instead of a dict of tensors"),
        ({}, "holds dict instead of a dict of tensors"),
        ({"state_dict": {}}, "holds .* instead of a dict of tensors"),
        ({1: torch.zeros(2)}, "the name 1 of a tensor is no text"),
        ({"epoch": 3, "head.bias": torch.zeros(3)}, "'epoch' is int instead of a tensor"),
        ({"state_dict": {"epoch": 3}}, "'epoch' is int instead of a tensor"),
        ({"head.bias": torch.zeros(3).to_sparse()}, "'head.bias' is no plain tensor in memory"),
        ({"head.bias": torch.zeros(3, device="meta")}, "'head.bias' is no plain tensor in memory"),
    ],
)
def test_what_is_no_state(tmp_path, content, message):
    refused(save(content, tmp_path / "x.pth"), "torch", message)


# ------------------------------------------------------------------------------------------------------- safetensors


def test_safetensors(tmp_path, state):
    save_file(state, tmp_path / "x.safetensors")
    same(read_state(str(tmp_path / "x.safetensors"), "safetensors", empty()), state)


def test_damaged_safetensors(tmp_path, state):
    path = tmp_path / "x.safetensors"
    save_file(state, path)
    content = path.read_bytes()
    # Cut, with an enormous header, empty, and something else.
    for damaged in (content[:-8], b"\xff" * 8 + content[8:], b"", b"<html>not found</html>"):
        path.write_bytes(damaged)
        refused(path, "safetensors", "cannot be read as safetensors: .*Fetch or save the file again")


# -------------------------------------------------------------------------------------------------------- all formats


@pytest.mark.parametrize("format", ["torch", "safetensors"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("head.bias"), "do not fit their network: missing head.bias"),
        (lambda state: state.update(extra=torch.zeros(2)), "surplus extra"),
        (
            lambda state: state.update({"head.weight": torch.zeros(2, 3)}),
            r"head.weight is \(2, 3\) instead of",
        ),
        (lambda state: state["head.bias"].fill_(float("nan")), "head.bias is not finite"),
        (lambda state: state["head.bias"][1:2].fill_(-float("inf")), "head.bias is not finite"),
        (
            lambda state: state.update({"head.bias": torch.full((3,), 1e300, dtype=torch.float64)}),
            "head.bias is not finite",
        ),
        (
            lambda state: state.update({"head.bias": torch.zeros(3, dtype=torch.int64)}),
            "head.bias is torch.int64 instead of torch.float32",
        ),
        (
            lambda state: state.update({"head.bias": torch.zeros(3, dtype=torch.complex64)}),
            "head.bias is torch.complex64 instead of torch.float32",
        ),
        (
            lambda state: state.update({"block.1.num_batches_tracked": torch.tensor(1.5)}),
            "num_batches_tracked is torch.float32 instead of torch.int64",
        ),
    ],
)
def test_states_that_do_not_fit(tmp_path, state, format, change, message):
    if format == "safetensors" and "complex64" in message:
        pytest.importorskip("safetensors", minversion="0.7", reason="older ones do not write complex numbers")
    change(state)
    path = tmp_path / "x"
    save(state, path) if format == "torch" else save_file(state, path)
    refused(path, format, message)


def test_a_file_of_another_format_or_none(tmp_path, state):
    path = save(state, tmp_path / "x.pth")
    refused(path, "keras", "cannot be read as keras: it is damaged, or no HDF5 file")
    refused(path, "safetensors", "cannot be read as safetensors")
    with pytest.raises(WeightsError, match=r"format: got 'npz', choose from \['keras', 'safetensors', 'torch'\]"):
        read_state(path, "npz", empty())
    with pytest.raises(WeightsError, match=r"path: there is no file '.*gone.pth'"):
        read_state(tmp_path / "gone.pth", "torch", empty())


def test_a_single_value_that_is_not_finite_is_found_in_a_large_tensor():
    values = torch.zeros(3 * 2**20 + 5)
    check_state({"x": values}, {"x": values}, "here")
    values[-1] = float("nan")
    with pytest.raises(WeightsError, match="The weights here do not fit their network: x is not finite"):
        check_state({"x": values}, {"x": values}, "here")


def test_many_problems_are_counted():
    expected = {str(k): torch.zeros(1) for k in range(9)}
    with pytest.raises(WeightsError, match="missing 0; missing 1; missing 2; missing 3; missing 4 and 4 more"):
        fit_state(expected, {}, "here")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs the list of mapped files that Linux gives")
@pytest.mark.parametrize("format", ["safetensors", "torch"])
def test_large_formats_are_mapped(tmp_path, state, format):
    path = tmp_path / "x"
    save(state, path) if format == "torch" else save_file(state, path)
    found = read_state(path, format, empty())
    # One copy of a file serves every process on the machine.
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
    ranges = [[int(end, 16) for end in line[0].split("-")] for line in lines]
    assert any(start <= found["block.0.weight"].data_ptr() < stop for start, stop in ranges)


MEASURE = """
import sys, torch
from sunpy_ml.weights.readers import read_state

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024

with torch.device("meta"):
    network = torch.nn.Linear(6000, 6000, bias=False)
small = torch.nn.Linear(2, 2, bias=False)
read_state(sys.argv[2], sys.argv[1], small)
before = peak()
network.load_state_dict(read_state(sys.argv[3], sys.argv[1], network), assign=True)
network.weight.sum()
print((peak() - before) / (6000 * 6000 * 4))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the peak memory that Linux tells")
@pytest.mark.parametrize("format", ["safetensors", "torch", "legacy torch"])
def test_weights_are_in_memory_once(tmp_path, format):
    paths = []
    for size in (2, 6000):
        paths.append(tmp_path / f"{size}.{format}")
        state = {"weight": torch.rand(size, size)}
        save_file(state, paths[-1]) if format == "safetensors" else save(state, paths[-1], format == "torch")
    command = [sys.executable, "-c", MEASURE, format.removeprefix("legacy "), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.9 < float(done.stdout) < 1.25
