# The article's PyTorch program. Only the import lines differ from what you would write for PyTorch,
# and the lines that fetch the digits: they ship with Dovetail, so the program runs as it is.
import dovetail as torch
import dovetail.nn as nn
import dovetail.nn.functional as F
import dovetail.optim as optim
from dovetail.datasets import Digits
from dovetail.utils.data import DataLoader, TensorDataset


class SimpleNet(nn.Module):
    def __init__(self):
        super(SimpleNet, self).__init__()  # noqa: UP008  as the article writes it
        self.fc1 = nn.Linear(784, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


def pixels(digits):
    return digits.data.reshape(-1, 784) / 127.5 - 1


torch.manual_seed(0)
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
model = SimpleNet()
print(model)
model.to(device)

train, test = Digits(train=True), Digits(train=False)
train_loader = DataLoader(TensorDataset(pixels(train), train.targets), batch_size=32, shuffle=True)
optimizer = optim.Adam(model.parameters(), lr=0.001)
criterion = nn.CrossEntropyLoss()

for epoch in range(20):
    for data, target in train_loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
    print(f'epoch {epoch + 1}: loss {loss.item():.4f}')

model.eval()
with torch.no_grad():
    predicted = model(pixels(test)).argmax(dim=1)
    print(f'accuracy on held-out digits: {(predicted == test.targets).float().mean().item():.4f}')
