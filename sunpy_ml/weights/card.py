"""The card of a weights file: everything that a caller, or a reader, must know to use it rightly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sunpy_ml.exceptions import CardError
from sunpy_ml.weights.domain import Domain

__all__ = ["Card", "Confusion", "FileSource", "Input", "Metric", "Output", "Training"]

FORMATS = ("safetensors", "keras", "torch")
COMPANION_FORMATS = ("npz",)
GEOMETRIES = ("fixed-shape", "plate-scale", "native")
ORIENTATIONS = ("north-up", "as-is")
X_AXES = ("columns", "rows")
PADDINGS = ("zeros", "reflect", "replicate")
VALIDATIONS = ("real", "simulation")
OBSERVABLES = ("", "continuum", "magnetogram")


@dataclass(frozen=True)
class FileSource:
    """Where the weights come from and how they are verified.

    Attributes
    ----------
    format : str
        ``safetensors``, ``keras`` (HDF5) or ``torch``; ``npz`` for a companion of the weights.
    size : int
        Bytes; 0 where the authors' file could not be measured.
    sha256, git_blob : str
        Checksums; git's blob id is known for files in authors' repositories of which nothing else is.
    embedded : str
        Name of the file in the package that the card came with.
    urls : tuple of str
        Otherwise, the same file on each of these.
    path : str
        Where the file lies on this machine, for embedded files and for a user's own; never part of a card file.
    """

    format: str
    size: int = 0
    sha256: str = ""
    git_blob: str = ""
    embedded: str = ""
    urls: tuple[str, ...] = ()
    path: str = ""

    def __post_init__(self) -> None:
        _one_of("file.format", self.format, FORMATS + COMPANION_FORMATS)
        if not self.path and bool(self.embedded) == bool(self.urls):
            raise CardError("file: give either embedded or urls.")
        if self.embedded and not self.sha256:
            raise CardError("file.sha256: an embedded file needs its checksum.")


@dataclass(frozen=True)
class Input:
    """How an observation becomes the network's input.

    Attributes
    ----------
    geometry : str
        ``fixed-shape`` (the whole field on ``shape`` pixels), ``plate-scale`` (resampled to ``plate_scale``)
        or ``native`` (as observed).
    normaliser : str
        A name of ``sunpy_ml.observations.normalisation.NORMALISERS``, with its ``constants``.
    shape : tuple of int
        Rows and columns, for ``fixed-shape``.
    plate_scale : float or None
        Arcsec per pixel, for ``plate-scale``.
    cadence : float or None
        Seconds from one frame to the next, where a network that reads several has them built in.
    unit : str
        Unit that the data are converted to; empty where any will do.
    units : tuple of str
        The same for each channel, where the channels are different quantities.
    orientation : str
        ``north-up`` (turned to the nearest multiple of 90 degrees) or ``as-is``.
    max_tilt : float
        Largest rest of the rotation, in degrees, that the network tolerates; more is interpolated away.
    halo, multiple : int
        Receptive radius in pixels, and the factor that the shape must be a multiple of.
    padding : str
        How the network pads at the edges of the image.
    channels : tuple of str
        What each channel of the network's input holds, where it has several.
    average_turns : bool
        Whether the answer is the mean of those to the eight turns and reflections of the image.
    """

    geometry: str
    normaliser: str
    constants: Mapping[str, float] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    plate_scale: float | None = None
    cadence: float | None = None
    unit: str = ""
    units: tuple[str, ...] = ()
    orientation: str = "north-up"
    max_tilt: float = 180.0
    halo: int = 0
    multiple: int = 1
    padding: str = "zeros"
    channels: tuple[str, ...] = ()
    average_turns: bool = False

    def __post_init__(self) -> None:
        _one_of("input.geometry", self.geometry, GEOMETRIES)
        _one_of("input.orientation", self.orientation, ORIENTATIONS)
        _one_of("input.padding", self.padding, PADDINGS)
        if self.geometry == "fixed-shape" and len(self.shape) != 2:
            raise CardError(f"input.shape: fixed-shape needs two numbers, got {self.shape}.")
        if self.geometry == "plate-scale" and self.plate_scale is None:
            raise CardError("input.plate_scale: plate-scale geometry needs a number, in arcsec per pixel.")
        if self.units and (self.unit or len(self.units) != len(self.channels)):
            raise CardError("input.units: give one for each channel, and no unit for all.")


@dataclass(frozen=True)
class Output:
    """What the network gives: classes and features, or channels with their units.

    The numbers of the network become physical values in at most one of three ways: by undoing the normalisation of the
    input, by the constants of this card, or by constants from a companion file of the authors.

    Attributes
    ----------
    classes, features : tuple of str
        Classes that exclude each other, and features of which an image can show several.
    unfamiliar_above : float or None
        Where it is given, the network's last number tells how unfamiliar the image is: its sigmoid, between 0 and 1, is
        higher than this for an image unlike those of the training.
    channels, units : tuple of str
        What each channel of the output is, and its unit once it is physical.
    factor : int
        Pixels of the output for one of the input, along each axis.
    denormalise : bool
        Whether the normalisation of the input is undone on the output, which is then the same quantity.
    offset, scale : tuple of float
        For each channel: the physical value is ``offset + scale`` times the number.
    keys : tuple of str
        For each channel: the physical value is ``<key>_min + (<key>_max - <key>_min)`` times the number, with these
        two from the card's companion file. Empty for a channel whose meaning the authors do not tell.
    x_axis : str
        The axis of the array along which components named after x are: ``columns`` or ``rows``.
    time_bias : float
        Of an event whose time is found: by how many days that is late, which are subtracted.
    """

    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    unfamiliar_above: float | None = None
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    factor: int = 1
    denormalise: bool = False
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    keys: tuple[str, ...] = ()
    x_axis: str = "columns"
    time_bias: float = 0.0

    def __post_init__(self) -> None:
        _one_of("output.x_axis", self.x_axis, X_AXES)
        for name in ("units", "offset", "scale", "keys"):
            values = getattr(self, name)
            if values and len(values) != len(self.channels):
                raise CardError(f"output.{name}: got {len(values)} values for {len(self.channels)} channels.")
        if len(self.offset) != len(self.scale):
            raise CardError("output: offset and scale come together.")
        if self.denormalise + bool(self.scale) + bool(self.keys) > 1:
            raise CardError("output: give only one of denormalise, scale (with offset) and keys.")
        if self.unfamiliar_above is not None and not 0 <= self.unfamiliar_above <= 1:
            raise CardError(f"output.unfamiliar_above: got {self.unfamiliar_above}, it lies between 0 and 1.")
        if self.factor < 1:
            raise CardError(f"output.factor: got {self.factor}, it is at least 1.")


@dataclass(frozen=True)
class Training:
    """What the network was trained on, and the command that repeats it."""

    data: tuple[str, ...]
    period: tuple[str, ...] = ()
    recipe: str = ""


@dataclass(frozen=True)
class Metric:
    """One measured figure: its value, the data it was measured on, their number and a 95 % interval."""

    name: str
    data: str
    value: float
    n: int
    interval: tuple[float, ...] = ()


@dataclass(frozen=True)
class Confusion:
    """How often each true class (a row) was taken for each class (a column), on which data."""

    data: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Card:
    """The card of a weights file. See the fields' own classes for their meaning.

    Attributes
    ----------
    name : str
        Unique, and ends in the version; results of a named version never change.
    task : str
        The domain that it serves, such as ``classification``.
    network, network_arguments
        Name in the registry of networks, and the arguments of its ``Config``.
    licence, reference, citation : str
        Terms, DOI of the paper, and how to cite.
    instruments : tuple of str
        Instruments that it was trained on.
    observable : str
        ``continuum`` or ``magnetogram``, in a task that has weights for each of them.
    validated_on : str
        ``real`` or ``simulation``.
    limits, unverified : tuple of str
        What it cannot do, and which facts of this card could not be verified.
    companion : FileSource or None
        A second file of the authors, with the constants that ``output.keys`` names.
    default : bool
        Whether its task uses it, for its observable, when no weights are named.

    Examples
    --------
    >>> from sunpy_ml.weights import get_card
    >>> card = get_card("halpha-2")
    >>> card.output.classes
    ('filaments', 'flares', 'prominences', 'quiet', 'sunspots')
    """

    name: str
    version: str
    task: str
    title: str
    network: str
    licence: str
    reference: str
    citation: str
    validated_on: str
    file: FileSource
    input: Input
    output: Output
    training: Training
    network_arguments: Mapping[str, Any] = field(default_factory=dict)
    instruments: tuple[str, ...] = ()
    observable: str = ""
    domain: Domain = field(default_factory=Domain)
    metrics: tuple[Metric, ...] = ()
    confusion: tuple[Confusion, ...] = ()
    limits: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    companion: FileSource | None = None
    default: bool = False

    def __post_init__(self) -> None:
        _one_of("validated_on", self.validated_on, VALIDATIONS)
        _one_of("observable", self.observable, OBSERVABLES)
        if not self.name.endswith(f"-{self.version}"):
            raise CardError(f"name: {self.name!r} must end in the version, '-{self.version}'.")
        if self.companion is not None:
            _one_of("companion.format", self.companion.format, COMPANION_FORMATS)
        if bool(self.companion) != bool(self.output.keys):
            raise CardError("companion: it comes together with output.keys.")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise CardError(f"{name}: got {value!r}, choose from {choices}.")
