"""Runs that begin with another's weights, and parts that move slower or not at all.

init_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import hashlib, json, shutil, struct, sys, unittest

from runs_case import RunsCase, settings

SHORT = settings("train.epochs=1", "model.dropout=0.0", "evaluate.bootstrap=0", "train.reproducible=true")


def tensors(path):
    """Bytes of each tensor by name (safetensors)."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return {name: content[end + each["data_offsets"][0]:end + each["data_offsets"][1]]
            for name, each in json.loads(content[8:end]).items() if name != "__metadata__"}


class Init(RunsCase):
    def begun(self):
        out = self.root / "begun"
        if not out.exists():
            self.run_to_end("images", out, 1, *SHORT)
        return out

    def fit(self, name, ranks, *more, code=0):
        out = self.root / name
        done = self.run_to_end("images", out, ranks, *SHORT, "--init", str(self.begun() / "model.safetensors"), *more, code=code)
        return out, done.stderr

    def test_what_is_frozen_is_the_files_and_the_rest_moves_on_any_number_of_ranks(self):
        layers = settings('optimizer.layers=[{part="stem",rate=0},{part="stage1",rate=0.1}]')
        out, told = self.fit("frozen", 1, *layers)
        self.assertIn("info weights_taken", told)
        self.assertIn("not_in_file=none unused_of_file=2", told)
        before, after = tensors(self.begun() / "model.safetensors"), tensors(out / "model.safetensors")
        for name in before:
            stays = name.startswith(("stem.", "input."))
            self.assertEqual(before[name] == after[name], stays, name)
        self.assertNotEqual(self.metrics(out)["recipe_sha256"], self.metrics(self.begun())["recipe_sha256"])
        done = self.run_to_end("images", out, 1, *SHORT, *layers, code=2)  # without what it began with
        self.assertIn("another recipe", done.stderr)
        other, told = self.fit("frozen-2", 2, *layers)
        self.assertEqual(told.count("weights_taken"), 1)
        init = self.metrics(out)["init"]
        self.assertEqual(init["names"], "own")
        self.assertEqual(init["sha256"], hashlib.sha256((self.begun() / "model.safetensors").read_bytes()).hexdigest())
        self.assert_same(out, other)
        plain, _ = self.fit("overlapped", 1, *layers, "--set", "train.reproducible=false")
        self.assertEqual(tensors(plain / "model.safetensors")["stem.conv.weight"], before["stem.conv.weight"])

    def test_what_began_goes_on_and_is_measured_without_the_file(self):
        file, gone, out = self.root / "weights.safetensors", self.root / "gone", self.root / "goes-on"
        shutil.copy(self.begun() / "model.safetensors", file)
        begins, longer = (*SHORT, *settings("schedule.name=constant"), "--init", str(file)), settings("train.epochs=2")
        self.run_to_end("images", out, 1, *begins)
        file.rename(gone)
        self.assertIn("info resumed", self.run_to_end("images", out, 2, *begins, *longer).stderr)
        metrics = self.metrics(out)
        metrics.pop("training")
        model = str(out / "model.safetensors")
        told = self.run_to_end("images", None, 1, *begins, *longer, "--model", model, "--json", verb="evaluate")
        self.assertEqual(json.loads(told.stdout), metrics)
        exported = self.root / "exported.safetensors"
        self.run_to_end("images", exported, 1, *begins, *longer, "--run", str(out), verb="export")
        self.assertEqual(exported.read_bytes(), (out / "model.safetensors").read_bytes())
        for verb, more in (("fit", ()), ("evaluate", ("--model", str(self.begun() / "model.safetensors")))):
            done = self.run_to_end("images", self.root / "nothing" if verb == "fit" else None, 1, *begins, *more, verb=verb, code=2)
            self.assertIn("there is no such file", done.stderr)
        gone.rename(file)
        whole = self.root / "goes-on-whole"
        self.run_to_end("images", whole, 1, *begins, *longer)
        self.assert_same(out, whole)

    def test_what_cannot_begin_a_run_is_refused(self):
        for flags, code, why in ((["--set", "model.width=16"], 3, "another shape"), (settings("init.names=keras"), 2, "expected"),
                                 (settings("init.names=torchvision"), 3, "conv1.weight is missing"),
                                 (settings('optimizer.layers=[{part="trunk",rate=0}]'), 2, "optimizer.layers")):
            self.assertIn(why, self.fit("refused", 1, *flags, code=code)[1], flags)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
