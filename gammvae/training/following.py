"""What the processes do that take part in a run without leading it. They touch no file of the run.

Process 0 loads and prepares the data first, so these find files that are already downloaded.
"""

from typing import NamedTuple

from torch.optim import Optimizer
from tqdm import tqdm

from gammvae.config.schema import Config
from gammvae.data.samples import samples_on
from gammvae.data.training_data import load_data
from gammvae.devices import choose_device, set_random_state
from gammvae.errors import InputError
from gammvae.model.vae import MixtureVAE
from gammvae.training.epochs import Epoch, Epochs, Stage
from gammvae.training.together import meet, receive


class Training(NamedTuple):
    """The order with which a stage begins.

    Attributes:
        model: As process 0 has it, on its device.
        optimizer: Of the parameters of this model.
        stage: Settings of the stage.
        digest: Digest of the data.
    """

    model: MixtureVAE
    optimizer: Optimizer
    stage: Stage
    digest: str


def follow(config: Config) -> None:
    """Trains along with process 0 until it lets this process go.

    Args:
        config: Configuration of the run.

    Raises:
        InputError: This process does not find the data that process 0 has.
        ProcessLost: Another process has ended.
    """
    training: Training | None = receive()
    if training is None:  # nothing is trained
        return
    data = load_data(config.dataset, config.preprocess, config.device)
    if data.digest != training.digest:
        raise InputError(
            f"the processes of this run find different data for dataset {config.dataset.name}: "
            "all need the same files"
        )
    x = samples_on(choose_device(config.device), data.rows)
    while training is not None:
        model, optimizer, stage, _ = training
        epochs = Epochs(model, x, stage, optimizer)
        optimizer.zero_grad()  # loads what a step needs before process 0 counts the seconds
        meet()
        while isinstance(order := receive(), Epoch):
            labels, kl_weight, rates, random, done = order
            set_random_state(random, x.device)
            epochs.run(labels, kl_weight, rates, tqdm(disable=True), done)
        training = order
