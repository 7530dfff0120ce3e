"""The wide & deep model in PyTorch, over sparse batches from a DataLoader with workers.

    python examples/training/torch_wide_deep.py
    python examples/training/torch_wide_deep.py --rows 2000000 --columns 100000 --memory-limit 256 --workers 2 --export model

ds.torch() is an IterableDataset of whole batches. The wide part multiplies a sparse COO matrix by its weights; its gradient is dense.
"""

import clicks
import numpy as np
import torch
from torch.utils.data import DataLoader

import tensorferry as ferry

options = clicks.arguments(__doc__, workers={"type": int, "default": 0, "help": "processes that make batches; default %(default)s"})
FEATURES = ["wide", "fields", "numbers"]


class WideDeep(torch.nn.Module):
    def __init__(self, columns):
        super().__init__()
        torch.manual_seed(1)
        self.wide = torch.nn.Parameter(torch.zeros(columns, 1))
        self.embedding = torch.nn.Embedding(clicks.CATEGORIES, 4)
        self.hidden = torch.nn.Linear(clicks.FIELDS * 4 + clicks.NUMBERS, 16)
        self.out = torch.nn.Linear(16, 1)
        torch.nn.init.uniform_(self.embedding.weight, -0.05, 0.05)

    def forward(self, wide, fields, numbers):
        deep = torch.cat([self.embedding(fields).flatten(1), numbers], 1)
        return (wide @ self.wide + self.out(torch.relu(self.hidden(deep))))[:, 0]


def train(model, batches, optimizer=None):
    """One epoch; gives its mean loss."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for x, y in batches:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(**x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def export(model, folder):
    """The weights as PyTorch keeps them, and as safetensors, read from there."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "model.pt")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": options.epochs}, folder / "checkpoint.pt")
    ferry.save(folder / "model.safetensors", ferry.load(folder / "model.pt"))
    print("written:", ", ".join(sorted(path.name for path in folder.iterdir())))


with clicks.files(options) as paths:
    ds = clicks.dataset(paths, batch=options.batch, columns=options.columns)
    train(WideDeep(options.columns), ds.take(1).torch("click", features=FEATURES))  # what the framework itself takes comes first
    model = WideDeep(options.columns)
    loader = DataLoader(ds.torch("click", features=FEATURES), batch_size=None, num_workers=options.workers)
    losses = []
    with clicks.memory_limit(options.memory_limit):
        for epoch in range(options.epochs):
            loader.dataset.set_epoch(epoch)
            losses.append(train(model, loader))
            print(f"epoch {epoch + 1}: loss {losses[-1]:.4f}")
    clicks.check_that_it_fell(losses)

    if options.check:
        dense = WideDeep(options.columns)
        for epoch in range(options.epochs):
            ds.set_epoch(epoch)
            batches = (({name: torch.tensor(b[name].to_numpy()) for name in FEATURES}, torch.tensor(b["click"].to_numpy())) for b in ds)
            train(dense, batches)
        worst = max(float((a - b).detach().abs().max()) for a, b in zip(model.parameters(), dense.parameters()))
        print(f"trained on the same batches made dense: weights differ by at most {worst:.1e}")
        assert worst < 1e-4
    if options.export:
        export(model, options.export)
