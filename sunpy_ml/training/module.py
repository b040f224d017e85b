"""A network, a loss and an optimiser, as a Lightning module with few hooks."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sunpy_ml.training._extra import lightning

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

__all__ = ["NetworkTraining", "fit"]

Batch = dict[str, Tensor]


class NetworkTraining(lightning.LightningModule):
    """Trains a network with AdamW, one cosine cycle, and a running mean of its weights.

    Parameters
    ----------
    network : torch.nn.Module
        Takes ``batch["image"]``.
    loss : callable
        From the network's output and the batch to a scalar.
    steps : int
        Number of optimiser steps of the whole run; the learning rate rises over the first tenth and falls to
        zero along a cosine at the last. The running mean of the weights, which `averaged` gives, reaches over
        about the last tenth: it scores a little higher than the last weights and much more steadily.
    learning_rate, weight_decay : float, optional
        Of AdamW.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[Tensor, Batch], Tensor],
        *,
        steps: int,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__()
        self.network = network
        self.mean_network = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(max(0.0, 1 - 10 / steps)), use_buffers=True
        ).requires_grad_(requires_grad=False)
        self.loss = loss
        self.steps = steps
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    @property
    def averaged(self) -> nn.Module:
        """The network with the mean weights, in evaluation mode."""
        return self.mean_network.module.eval()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch, logged for each epoch."""
        loss = self.loss(self.network(batch["image"]), batch)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["image"]))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, index: int) -> None:
        """Take the weights of this step into the mean."""
        self.mean_network.update_parameters(self.network)

    def configure_optimizers(self) -> "OptimizerLRSchedulerConfig":
        """AdamW and its cosine cycle."""
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.learning_rate, total_steps=self.steps, pct_start=0.1
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def fit(
    module: NetworkTraining,
    batches: Iterable[Batch],
    *,
    epochs: int,
    out: Path,
    **options: Any,
) -> nn.Module:
    """Train, write the learning curve as CSV below ``out``, and give the network of the mean weights.

    Parameters
    ----------
    module : NetworkTraining
        What to train.
    batches : iterable of dict
        Yields the batches of one epoch, anew whenever it is iterated; has a length, such as a
        `torch.utils.data.DataLoader` (Lightning takes a list for several data sets at once).
    epochs : int
        Number of passes.
    out : pathlib.Path
        Folder for the logs and the checkpoint.
    **options
        Further arguments of `lightning.Trainer`, such as ``devices``, ``strategy`` or ``precision``, of which
        ``"bf16-mixed"`` is about 2.5 times faster on recent processors.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, float32, on the CPU.
    """
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger

    trainer = lightning.Trainer(
        max_epochs=epochs,
        logger=CSVLogger(out, name="log"),
        callbacks=[ModelCheckpoint(dirpath=out / "checkpoints", filename="last", enable_version_counter=False)],
        enable_model_summary=False,
        log_every_n_steps=1,
        **{"enable_progress_bar": False, **options},
    )
    trainer.fit(module, batches)
    return module.averaged.cpu()
