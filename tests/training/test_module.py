import subprocess
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader

from sunpy_ml.training import NetworkTraining, fit


def _error(output, batch):
    return (output - batch["target"]).square().mean()


def test_fit_reduces_the_loss_and_gives_the_mean_network(tmp_path):
    torch.manual_seed(0)
    image = torch.randn(64, 3)
    batch = {"image": image, "target": image @ torch.tensor([[1.0], [-2.0], [0.5]])}
    module = NetworkTraining(nn.Linear(3, 1), _error, steps=120, learning_rate=0.1)
    before = _error(module.network(image), batch)
    network = fit(module, DataLoader([batch] * 30, batch_size=None), epochs=4, out=tmp_path)
    assert _error(network(image), batch) < 0.05 * before
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()
    curve = (tmp_path / "log" / "version_0" / "metrics.csv").read_text()
    assert curve.splitlines()[0] == "epoch,loss,step"
    assert len(curve.splitlines()) == 5


def test_a_missing_extra_is_named():
    code = "import sys; sys.modules['lightning'] = None; import sunpy_ml.training"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "sunpy_ml[train]"' in done.stderr
