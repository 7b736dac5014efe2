"""What TensorBoard's own reader finds in the events of a run's log. events_test.py ALOFT_TRAIN [TEST...]"""
import json, pathlib, shutil, struct, subprocess, sys, tempfile, unittest

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TRAIN = sys.argv[1]
FIGURES = ("loss", "rate", "gradient_norm", "samples_per_second")


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


class Events(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="aloft-test-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.log = [{"event": "started", "step": 0, "ranks": 2}]
        for step in (10, 300, 70000, 2**40):  # numbers of one byte and of more
            self.log.append({"event": "step", "step": step, "epoch": 1, "loss": 1 / step, "rate": 3e-4, "gradient_norm": None if step == 300 else 2.5,
                             "samples_per_second": 1234.5})
            self.log.append({"event": "skipped", "step": step})
            self.log.append({"event": "epoch", "epoch": step // 10, "step": step, "validation": {"auroc": 0.9, "hd95": None}, "best": True})

    def events(self, tail="", code=0):
        (self.root / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.log) + tail)
        return self.run_events(code)

    def run_events(self, code):
        done = subprocess.run([TRAIN, "events", "--run", self.root, "--out", self.root / "events"], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def read(self, found=None):
        found = found or EventAccumulator(str(self.root / "events"), size_guidance={"scalars": 0})
        found.Reload()
        return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}

    def told(self):
        out = {}
        for line in self.log:
            figures = {"train/" + name: line[name] for name in FIGURES} if line["event"] == "step" else {}
            if line["event"] == "epoch":
                figures = {"train/epoch": line["epoch"]} | {"validation/" + name: value for name, value in line["validation"].items()}
            for tag, value in figures.items():
                if value is not None:
                    out.setdefault(tag, []).append((line["step"], single(value)))
        return out

    def test_tensorboard_reads_each_figure_of_the_log_by_its_step(self):
        self.events()
        self.assertEqual(self.read(), self.told())
        self.assertEqual(len(self.told()), 6)

    def test_a_reader_sees_what_a_run_adds_and_forgets_what_a_resumed_one_dropped(self):
        self.events('{"event":"step","st')  # a line that is being written
        reader = EventAccumulator(str(self.root / "events"), size_guidance={"scalars": 0})
        self.assertEqual(self.read(reader), self.told())
        for step in (2**41, 2**42):
            self.log.append({"event": "step", "step": step, "epoch": 2, "loss": 0.25, "rate": 1e-4, "gradient_norm": 1.5, "samples_per_second": 99.0})
            self.events()
            self.assertEqual(self.read(reader), self.told())
        size = next((self.root / "events").glob("events.out.*")).stat().st_size
        for again in range(2):  # the second time with fewer lines than the file has
            del self.log[-2:]
            self.log.append({"event": "resumed", "step": 70000, "ranks": 1})
            self.log.append({"event": "step", "step": 70010, "epoch": 2, "loss": 0.5 + again, "rate": 1e-4, "gradient_norm": 1.5, "samples_per_second": 99.0})
            self.events()
            self.assertEqual(self.read(reader), self.told())
            self.assertEqual(self.read(), self.told())
        self.assertGreater(next((self.root / "events").glob("events.out.*")).stat().st_size, size)
        self.assertEqual(len(list((self.root / "events").glob("events.out.*"))), 1)

    def test_a_file_that_was_left_half_written_is_mended(self):
        self.events()
        file = next((self.root / "events").glob("events.out.*"))
        whole = file.read_bytes()
        for log in (self.log, self.log[:4]):  # it goes on; a run that dropped lines
            file.write_bytes(whole[:-7])
            self.log = log
            self.events()
            self.assertEqual(self.read(), self.told())

    def test_tensorboards_reader_sees_a_byte_that_changed(self):
        self.events()
        file = next((self.root / "events").glob("events.out.*"))
        bytes_ = bytearray(file.read_bytes())
        bytes_[len(bytes_) // 2] ^= 1
        file.write_bytes(bytes_)
        self.assertNotEqual(self.read(), self.told())

    def test_lines_that_are_none_are_left_out_and_counted(self):
        step = {"event": "step", "step": 5, "loss": 1.0, "rate": 1.0, "gradient_norm": None, "samples_per_second": 2.0}
        bad = [json.dumps(line) for line in (step | {"step": 1e30}, step | {"step": True}, step | {"loss": True}, step | {"rate": "fast"}, {"event": "step", "step": 10}, [],
                                             {"event": "epoch", "step": 5, "epoch": 1, "validation": 3})] + ['{"event":"step","st']
        told = self.told()
        lines = [json.dumps(line) for line in self.log]
        (self.root / "log.jsonl").write_text("\n".join([*lines[:3], *bad, "", *lines[3:], '{"event":"validated","step":1}']) + "\n")
        self.assertIn(f"lines_skipped file=log.jsonl lines={len(bad)}", self.run_events(0))
        self.assertEqual(self.read(), told)
        (self.root / "log.jsonl").write_text("\n".join(bad) + "\n")
        self.assertIn("no line of it is an event", self.run_events(3))

    def test_what_no_float_holds_is_the_greatest(self):
        self.log = [{"event": "step", "step": 1, "loss": 1e300, "rate": -1e300, "gradient_norm": None, "samples_per_second": 1}]
        self.events()
        greatest = struct.unpack("f", struct.pack("I", 0x7f7fffff))[0]
        self.assertEqual(self.read(), {"train/loss": [(1, greatest)], "train/rate": [(1, -greatest)], "train/samples_per_second": [(1, 1.0)]})

    def test_with_json_it_says_what_there_is(self):
        self.events('{"event":"step"}\n')
        for again in range(2):  # made; added to
            done = subprocess.run([TRAIN, "events", "--run", self.root, "--out", self.root / "events", "--json"], capture_output=True, text=True)
            file = next((self.root / "events").glob("events.out.*"))
            self.assertEqual(json.loads(done.stdout), {"file": file.name, "bytes": file.stat().st_size, "lines_skipped": 1}, done.stderr)
            (self.root / f"call{again}").write_text("0\nevents --json\n")
            (self.root / f"call{again}.out").write_text(done.stdout)
            self.log.append({"event": "step", "step": 2**43, "loss": 1, "rate": 1, "gradient_norm": 1, "samples_per_second": 1})
            (self.root / "log.jsonl").write_text((self.root / "log.jsonl").read_text() + json.dumps(self.log[-1]) + "\n")
        none = subprocess.run([TRAIN, "events", "--run", self.root / "events", "--out", self.root / "new", "--json"], capture_output=True, text=True)
        (self.root / "none").write_text(f"{none.returncode}\nevents --json\n")
        (self.root / "none.out").write_text(none.stdout)
        self.assertEqual(json.loads(none.stdout)["error"]["code"], 2)
        judge = pathlib.Path(__file__).resolve().parents[1] / "support/check_json.py"
        judged = subprocess.run(["/usr/bin/python3", judge, "aloft-train", self.root], capture_output=True, text=True)
        self.assertEqual(judged.returncode, 0, judged.stderr)

    def test_no_log_is_the_callers_fault(self):
        self.run_events(2)
        self.assertFalse((self.root / "events").exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
