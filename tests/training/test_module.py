import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from astropy.table import QTable
from torch import nn
from torch.utils.data import DataLoader

from sunpy_ml.training import NetworkTraining, fit, learning_curves, plot_learning_curves


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


def _batches(n, seed, noise=0.0):
    image = torch.randn(16 * n, 3, generator=torch.Generator().manual_seed(seed))
    target = image @ torch.tensor([[1.0], [-2.0], [0.5]])
    target += noise * torch.randn(target.shape, generator=torch.Generator().manual_seed(seed + 1))
    return DataLoader([{"image": i, "target": t} for i, t in zip(image, target, strict=True)], batch_size=16)


def _module(rate=0.01, **options):
    torch.manual_seed(0)
    return NetworkTraining(
        nn.Linear(3, 1),
        _error,
        optimiser=lambda net: torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9),
        **options,
    )


class _Rising(nn.Module):
    """A network whose loss on other data is least after the third epoch of four steps, whatever it is trained on."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        if self.training:
            return x[:, :1] * 0 + self.weight  # the target is far away: the weight rises by one each step
        return x[:, :1] * 0 + (self.weight - 12)


def _rising():
    module = NetworkTraining(
        _Rising(),
        lambda output, batch: (output - (1000 if output.requires_grad else 0)).abs().mean(),
        optimiser=lambda net: torch.optim.SGD(net.parameters(), lr=1),
    )
    data = [{"image": torch.ones(2, 3)}] * 4
    return module, DataLoader(data, batch_size=None), DataLoader(data[:1], batch_size=None)


def test_the_best_epoch_on_validation_data_is_given_back(tmp_path):
    module, batches, validation = _rising()
    network = fit(module, batches, epochs=6, out=tmp_path, validation=validation)
    assert network.weight == 12
    curves = learning_curves(tmp_path)
    assert curves["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert curves["validation_loss"].tolist() == [8, 4, 0, 4, 8, 12]


def test_training_stops_when_patience_is_at_its_end(tmp_path):
    module, batches, validation = _rising()
    network = fit(module, batches, epochs=50, out=tmp_path, validation=validation, patience=2)
    assert len(learning_curves(tmp_path)) == 5
    assert network.weight == 12
    with pytest.raises(ValueError, match="patience: got 3, which needs validation data"):
        fit(module, batches, epochs=1, out=tmp_path, patience=3)


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path):
    data = {"validation": _batches(2, seed=5, noise=0.1)}
    whole = fit(_module(), _batches(4, seed=1), epochs=5, out=tmp_path / "whole", **data)
    fit(_module(), _batches(4, seed=1), epochs=2, out=tmp_path / "parts", **data)
    resumed = fit(_module(), _batches(4, seed=1), epochs=5, out=tmp_path / "parts", resume=True, **data)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())
    curves, expected = learning_curves(tmp_path / "parts"), learning_curves(tmp_path / "whole")
    assert curves.colnames == expected.colnames == ["epoch", "loss", "validation_loss"]
    np.testing.assert_allclose(curves["validation_loss"], expected["validation_loss"], rtol=1e-5)
    # Resumed once more there is nothing left to do.
    again = fit(_module(), _batches(4, seed=1), epochs=5, out=tmp_path / "parts", resume=True, **data)
    torch.testing.assert_close(again.state_dict(), whole.state_dict())
    with pytest.raises(ValueError, match=r"there is no checkpoint '.*last.ckpt'"):
        fit(_module(), _batches(4, seed=1), epochs=5, out=tmp_path / "new", resume=True)


def test_a_run_that_is_started_anew_replaces_the_curves(tmp_path):
    for _ in range(2):
        fit(_module(), _batches(2, seed=1), epochs=3, out=tmp_path)
    assert learning_curves(tmp_path)["epoch"].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="nothing was logged below"):
        learning_curves(tmp_path / "elsewhere")


def test_resuming_keeps_the_mean_weights(tmp_path):
    def module():
        torch.manual_seed(0)
        return NetworkTraining(nn.Linear(3, 1), _error, steps=24, learning_rate=0.1)

    data = {"batches": _batches(4, seed=1), "validation": _batches(2, seed=5)}
    whole = fit(module(), epochs=6, out=tmp_path / "whole", **data)
    stopped = module()
    fit(stopped, epochs=3, out=tmp_path / "parts", **data)
    resumed = fit(module(), epochs=6, out=tmp_path / "parts", resume=True, **data)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


def test_scores_are_logged_on_the_validation_data_and_drawn(tmp_path):
    module = _module(scores={"bias": lambda output, batch: (output - batch["target"]).mean()})
    fit(module, _batches(4, seed=1), epochs=3, out=tmp_path, validation=_batches(2, seed=5))
    curves = learning_curves(tmp_path)
    assert curves.colnames == ["epoch", "loss", "validation_bias", "validation_loss"]
    assert np.isfinite(curves["validation_bias"]).all()
    figure = plot_learning_curves(curves)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "validation bias"]
    drawn = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    np.testing.assert_array_equal(drawn["validation loss"], curves["validation_loss"])
    assert "best epoch, 3" in drawn
    plt.close(figure)


def test_curves_without_validation_mark_no_best_epoch():
    figure = plot_learning_curves(QTable({"epoch": [1, 2], "loss": [2.0, 1.0]}))
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["loss"]
    plt.close(figure)


@pytest.mark.parametrize("options", [{}, {"steps": 3, "optimiser": torch.optim.SGD}])
def test_steps_or_an_optimiser(options):
    with pytest.raises(ValueError, match="either steps or an optimiser"):
        NetworkTraining(nn.Linear(1, 1), _error, **options)


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11, 20])
def test_few_steps_have_a_cycle_as_well(steps):
    chosen = NetworkTraining(nn.Linear(1, 1), _error, steps=steps, learning_rate=0.1).configure_optimizers()
    rates = []
    for _ in range(steps):
        rates.append(chosen["optimizer"].param_groups[0]["lr"])
        chosen["optimizer"].step()
        if len(rates) < steps:
            chosen["lr_scheduler"]["scheduler"].step()
    assert all(0 <= rate <= 0.1 for rate in rates)
    assert rates[-1] == pytest.approx(0, abs=1e-3)


def test_a_missing_extra_is_named():
    code = "import sys; sys.modules['lightning'] = None; import sunpy_ml.training"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "sunpy_ml[train]"' in done.stderr
