"""Weights of MONAI's DenseNets and ResNet in models of ours: both say the same of the same samples. torchvision's have the same layout; the names
that its DenseNet has are made here.

published_test.py PUBLISHED [TEST...]"""
import json, pathlib, struct, subprocess, sys, tempfile, unittest

import torch
from monai.networks.nets import DenseNet, ResNet


def write(path, tensors):
    """safetensors."""
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        content = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def torchvision_names(tensors):
    return {name.replace(".layers.", ".").replace("class_layers.out", "classifier"): tensor for name, tensor in tensors.items()}


class Published(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)  # of the models' first weights, too

    def same(self, theirs, toml, shape, names, outputs=5, rename=lambda tensors: tensors):
        """As after training: norms that have counted, and weights that are not those of the start."""
        with torch.no_grad():
            for name, tensor in theirs.state_dict().items():
                if name.endswith("running_var"):
                    tensor.uniform_(0.5, 1.5)
                elif name.endswith("running_mean"):
                    tensor.normal_(0, 0.3)
                elif tensor.dim() == 1:
                    tensor.add_(torch.randn(tensor.shape) * 0.2)
            samples = torch.randn(3, *shape)
            expected = theirs.eval()(samples)
        with tempfile.TemporaryDirectory() as folder:
            weights, inputs = pathlib.Path(folder, "weights"), pathlib.Path(folder, "samples")
            write(weights, rename(theirs.state_dict()))
            write(inputs, {"samples": samples})
            done = subprocess.run([sys.argv[1], toml + '\nnorm = "fixed"', names, str(outputs), weights, inputs], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        found = torch.tensor(told["scores"]).view(expected.shape)
        tolerance = 1e-5 * float(expected.abs().max())
        self.assertGreater(expected.std(0).min(), 100 * tolerance)  # samples are told apart
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=tolerance)
        self.assertEqual((told["kept"], told["unused"]), ([], 0))

    def test_densenet_121_of_images(self):
        self.same(DenseNet(2, 3, 5), 'name = "densenet2d"', (3, 64, 80), "torchvision", rename=torchvision_names)

    def test_densenet_of_volumes(self):
        small = dict(init_features=16, growth_rate=8, block_config=(2, 3, 2))
        self.same(DenseNet(3, 1, 5, **small), 'name = "densenet3d"\nwidth = 16\ngrowth = 8\nblocks = [2, 3, 2]', (1, 24, 33, 40), "monai")

    def test_resnet_with_bottleneck_blocks(self):
        toml = 'name = "resnet2d"\nwidth = 16\nblocks = [1, 2, 1, 1]\nstem = "large"\nblock = "bottleneck"'
        for names, has_bias in (("monai", True), ("torchvision", False)):  # of the convolution of a shortcut
            theirs = ResNet("bottleneck", [1, 2, 1, 1], [16, 32, 64, 128], spatial_dims=2, n_input_channels=3, num_classes=5, conv1_t_stride=2,
                            bias_downsample=has_bias)
            self.same(theirs, toml, (3, 64, 48), names)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
