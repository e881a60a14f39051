# ruff: noqa: E701, E702  the probe must stay on one line, so that it is not counted as a user's
import numpy as np

import dovetail as torch
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail.utils.data import DataLoader, TensorDataset


class SimpleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


x = np.random.randn(6000, 784).astype("float32")
y = np.random.randint(0, 10, 6000)
train_loader = DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=32, shuffle=True)
model = SimpleNet()
optimizer = optim.Adam(model.parameters(), lr=0.001)
criterion = nn.CrossEntropyLoss()
first = True
for epoch in range(2):
    right = 0
    for data, target in train_loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        if first: print("FIRST", loss.item(), flush=True); first = False  # probe
        right += (output.argmax(1) == target).sum().item()
    print(epoch, loss.item(), right / len(x))
