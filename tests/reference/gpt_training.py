"""Training as the training program does it: AdamW on its batches, sharded or not."""

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch.distributed.fsdp import fully_shard

from gpt_config import load_config, lr_factor
from gpt_data import Samples, read_text, split
from gpt_model import Gpt, loss_of


def make_model(config, weights):
    """A model with the weights of a file; every name must match."""
    model = Gpt(config["model"])
    model.load_state_dict(load_file(weights), strict=True)
    return model


def shard(model):
    """FSDP2: a unit for each block, one for the rest."""
    for block in model.blocks:
        fully_shard(block)
    fully_shard(model)


def setting(optimizer, name):
    if name not in optimizer:
        raise ValueError(f"optimizer.{name} is unset; give it in the configuration")
    return optimizer[name]


def make_optimizer(model, optimizer):
    """Fused AdamW with the program's two groups: matrices decay, the rest does not."""
    if optimizer["name"] != "adamw" or "group" in optimizer:
        raise ValueError("only optimizer adamw without groups is known here")
    decays = {True: [], False: []}
    for name, parameter in model.named_parameters():
        by_rule = parameter.dim() > 1 and (optimizer["decay_embeddings"]
                                           or name != "tok_embedding.weight")
        decays[optimizer["decay"] == "all" or by_rule].append(parameter)
    options = optimizer["adamw"]
    return torch.optim.AdamW(
        [{"params": decays[True], "weight_decay": setting(optimizer, "weight_decay")},
         {"params": decays[False], "weight_decay": 0.0}],
        lr=setting(optimizer, "lr"), betas=(options["beta1"], options["beta2"]),
        eps=options["eps"], fused=True)


class Training:
    """`run` is the folder of a run of train.steps=0: its configuration and weights."""

    def __init__(self, run, steps, sharded):
        self.config = load_config(f"{run}/config.txtpb")
        self.steps = steps
        self.rank, self.ranks = (dist.get_rank(), dist.get_world_size()) if sharded else (0, 1)
        self.model = make_model(self.config, f"{run}/model.safetensors")
        if sharded:
            shard(self.model)
        self.optimizer = make_optimizer(self.model, self.config["optimizer"])
        self.base_lr = self.config["optimizer"]["lr"]
        data = self.config["data"]
        text, _ = split(read_text(data["path"]), data["validation_fraction"])
        self.samples = Samples(text, self.config["model"]["context"], data["order"],
                               self.config["train"]["seed"])

    def batch(self, step):
        """This rank's samples of step `step`, counted from 0."""
        batch = self.config["train"]["batch"]
        count = batch // self.ranks
        samples = self.samples.batch(step * batch + self.rank * count, count)
        return torch.tensor([list(sample) for sample in samples])

    def step(self, step):
        """The loss of this rank's samples before the update, a tensor."""
        factor = lr_factor(self.config["schedule"], self.steps, step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.base_lr * factor
        self.optimizer.zero_grad()
        loss = loss_of(self.model, self.batch(step))
        loss.backward()
        clip_norm = self.config["train"]["clip_norm"]
        if clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
        self.optimizer.step()
        return loss.detach()

    def mean_over_ranks(self, value):
        if self.ranks > 1:
            dist.all_reduce(value)
        return value.item() / self.ranks
