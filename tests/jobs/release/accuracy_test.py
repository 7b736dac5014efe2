"""What the gate writes predicts what the author's model predicts: multilayer perceptrons for scikit-learn's digits and breast
cancer data, trained here, go through `aloft release check`; over all held-out samples the accuracy changes by 0.1 point at most.

usage: accuracy_test.py ALOFT     (with the Python of configs/install-deps --path data)
"""
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    from sklearn.datasets import load_breast_cancer, load_digits
except ImportError:
    print("needs numpy and scikit-learn (configs/install-deps --only data): skipped")
    sys.exit(77)

SEEDS = range(4)
LIMIT_POINTS = 0.1


def train(x: np.ndarray, y: np.ndarray, hidden: list[int], draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Softmax regression on ReLU layers by Adam (Kingma and Ba 2015), named as trainer/model/mlp.cpp names them."""
    deviation = x.std(0)
    scale = np.where(deviation > 0, 1 / np.maximum(deviation, 1e-12), 0)
    state = {"input.mean": x.mean(0), "input.scale": scale}
    widths = [x.shape[1], *hidden, int(y.max()) + 1]
    weights = {}
    for i, (before, after) in enumerate(zip(widths, widths[1:]), 1):
        weights[f"layer{i}.weight"] = draw.normal(0, np.sqrt(2 / before), (after, before))
        weights[f"layer{i}.bias"] = np.zeros(after)
    z = (x - state["input.mean"]) * scale
    first, second, depth = {k: 0 for k in weights}, {k: 0 for k in weights}, len(widths) - 1
    for step in range(1, 601):
        batch = draw.integers(0, len(z), 64)
        at = [z[batch]]
        for i in range(1, depth + 1):
            out = at[-1] @ weights[f"layer{i}.weight"].T + weights[f"layer{i}.bias"]
            at.append(np.maximum(out, 0) if i < depth else out)
        p = np.exp(at[-1] - at[-1].max(1, keepdims=True))
        back = (p / p.sum(1, keepdims=True) - np.eye(widths[-1])[y[batch]]) / len(batch)
        for i in range(depth, 0, -1):
            slope = {f"layer{i}.weight": back.T @ at[i - 1], f"layer{i}.bias": back.sum(0)}
            back = (back @ weights[f"layer{i}.weight"]) * (at[i - 1] > 0)
            for name, value in slope.items():
                first[name] = 0.9 * first[name] + 0.1 * value
                second[name] = 0.999 * second[name] + 0.001 * value**2
                rate = 0.003 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                weights[name] -= rate * first[name] / (np.sqrt(second[name]) + 1e-8)
    return {name: value.astype(np.float32) for name, value in (state | weights).items()}


def predict(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    at = (x - state["input.mean"]) * state["input.scale"]
    depth = sum(name.startswith("layer") for name in state) // 2
    for i in range(1, depth + 1):
        at = at @ state[f"layer{i}.weight"].T + state[f"layer{i}.bias"]
        at = np.maximum(at, 0) if i < depth else at
    return at.argmax(1)


def write(path: Path, state: dict[str, np.ndarray], hidden: list[int], features: int, classes: int) -> None:
    header, data = {"__metadata__": {"format": "pt", "aloft.shape": f"[{features}]",
                                     "aloft.classes": json.dumps([str(i) for i in range(classes)], separators=(",", ":")),
                                     "aloft.model": f'name = "mlp"\nhidden = {hidden}\ndropout = 0.000000\n'}}, b""
    for name, value in state.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header, data, out = json.loads(raw[8:8 + length]), raw[8 + length:], {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        if entry["dtype"] == "BF16":
            value = (np.frombuffer(data[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            value = np.frombuffer(data[begin:end], "<f4")
        out[name] = value.reshape(entry["shape"])
    return out


def main(aloft: str) -> None:
    failed = False
    for name, load, hidden in (("digits", load_digits, [64, 32]), ("wdbc", load_breast_cancer, [16])):
        x, y = load(return_X_y=True)
        right_before = right_after = held_out = changed = 0
        for seed in SEEDS:
            draw = np.random.default_rng(seed)
            order = draw.permutation(len(x))
            learn, held = order[: len(x) // 2], order[len(x) // 2:]
            state = train(x[learn], y[learn], hidden, draw)
            with tempfile.TemporaryDirectory() as folder:
                folder = Path(folder)
                site = folder / "site.toml"
                names = ("datasets", "workspaces", "published", "spool", "released")
                site.write_text('name = "x"\n[shared]\n' + "".join(f'{n} = "{folder}"\n' for n in names) +
                                f'[host]\nconfig = "{folder}"\nstate = "{folder}"\nsocket = "{folder}/none"\nrun = "{folder}"\n')
                write(folder / "model.safetensors", state, hidden, x.shape[1], int(y.max()) + 1)
                ran = subprocess.run([aloft, "--site", site, "release", "check", folder / "model.safetensors", "--out", folder / "out",
                                      "--json"], capture_output=True, text=True)
                if ran.returncode:
                    sys.exit(f"{name}: refused: {ran.stdout}{ran.stderr}")
                written = read(folder / "out" / "model.safetensors")
            assert written.keys() == state.keys()
            assert any((written[k] != state[k]).any() for k in state)  # it was written anew
            before, after = predict(state, x[held]), predict(written, x[held])
            right_before += int((before == y[held]).sum())
            right_after += int((after == y[held]).sum())
            changed += int((before != after).sum())
            held_out += len(held)
        points = 100 * abs(right_after - right_before) / held_out
        print(f"{name}: accuracy {100 * right_before / held_out:.2f} before, {100 * right_after / held_out:.2f} after, "
              f"{changed} of {held_out} predictions changed")
        failed = failed or points > LIMIT_POINTS or right_before < 0.9 * held_out
    sys.exit("the accuracy changed by more than 0.1 point, or the models are not worth the name" if failed else 0)


main(sys.argv[1])
