"""The training program's GPT in PyTorch, with the same names of weights."""

import torch
from torch import nn
from torch.nn import functional

from gpt_config import hidden_width

VOCABULARY = 256  # bytes


class Norm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return functional.rms_norm(x, (x.size(-1),), self.weight, self.eps)


def rotation_tables(model):
    """cos and sin of RoPE's angles, arXiv:2104.09864: [context, head dim / 2] each."""
    half = model["dim"] // model["heads"] // 2
    frequencies = model["rope_theta"] ** (-torch.arange(half, dtype=torch.double) / half)
    angles = torch.outer(torch.arange(model["context"], dtype=torch.double), frequencies)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    """RoPE, pairing entry i with i + half: x [..., length, head dim]."""
    cos, sin = cos[:x.size(-2)], sin[:x.size(-2)]
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Block(nn.Module):
    def __init__(self, model):
        super().__init__()
        dim, hidden = model["dim"], hidden_width(model)
        self.heads = model["heads"]
        self.tables = rotation_tables(model)
        self.attn_norm = Norm(dim, model["norm_eps"])
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)
        self.mlp_norm = Norm(dim, model["norm_eps"])
        self.w1 = nn.Linear(dim, hidden, bias=False)  # gate
        self.w3 = nn.Linear(dim, hidden, bias=False)  # value
        self.w2 = nn.Linear(hidden, dim, bias=False)

    def attention(self, x):
        batch, length, dim = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(parts[:2], *self.tables)
        mixed = functional.scaled_dot_product_attention(q, k, parts[2], is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, dim))

    def forward(self, x):
        x = x + self.attention(self.attn_norm(x))
        y = self.mlp_norm(x)
        return x + self.w2(functional.silu(self.w1(y)) * self.w3(y))


class Gpt(nn.Module):
    """`model` is the configuration's block of that name; dropout must be 0."""

    def __init__(self, model):
        super().__init__()
        if model["dropout"] != 0:
            raise ValueError(f"model.dropout is {model['dropout']}; allowed: 0")
        self.tok_embedding = nn.Embedding(VOCABULARY, model["dim"])
        self.blocks = nn.ModuleList(Block(model) for _ in range(model["layers"]))
        self.final_norm = Norm(model["dim"], model["norm_eps"])
        if not model["tied"]:
            self.head = nn.Linear(model["dim"], VOCABULARY, bias=False)
        self.tied = model["tied"]

    def forward(self, tokens):
        x = self.tok_embedding(tokens)
        for block in self.blocks:
            x = block(x)
        head = self.tok_embedding if self.tied else self.head
        return functional.linear(self.final_norm(x), head.weight)


def loss_of(model, samples):
    """Mean cross entropy, nats per byte, of samples [batch, context + 1]."""
    logits = model(samples[:, :-1])
    return functional.cross_entropy(logits.reshape(-1, VOCABULARY),
                                    samples[:, 1:].reshape(-1))
