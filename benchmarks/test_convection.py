"""Time of the convection run for a minute of the Sun, with and without compilation."""

import astropy.units as u
import pytest
import torch

from sunpy_ml.simulation.convection import convection_run

# The compiler of torch uses what torch itself has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BOX = {"shape": (64, 64, 64), "cell": (30, 150, 150) * u.km, "cadence": 15 * u.s}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("compiled", [False, True])
def test_solar_minute(benchmark, tmp_path, device, compiled):
    """The first minute after 15 seconds, which pay for the compilation."""
    path = tmp_path / "restart.safetensors"
    convection_run(15 * u.s, save=path, device=device, compiled=compiled, **BOX)
    benchmark.extra_info["cells"] = 64**3
    benchmark.pedantic(
        convection_run,
        (1 * u.min,),
        {"cadence": 15 * u.s, "restart": path, "device": device, "compiled": compiled},
        rounds=1,
    )
