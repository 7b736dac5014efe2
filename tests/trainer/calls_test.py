"""What aloft-train says to how it is called: into a folder that another run has, with paths that are not there, for a run that is
over, on a disk that is full, on a host without the dataset.

calls_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]; UNLUCKY in the environment: unlucky.c as a library"""
import fcntl, json, os, pathlib, shutil, signal, struct, subprocess, sys, time, unittest

from runs_case import TRAIN, RunsCase, settings

SHORT = settings("evaluate.bootstrap=0")


class Calls(RunsCase):
    def error(self, done, code):
        """The one line that says why."""
        self.assertEqual(done.returncode, code, done.stderr)
        lines = [line for line in done.stderr.splitlines() if " error " in line]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def held(self, out, *more):
        """A run on two ranks that has been stopped in its midst: it has the folder, and does nothing."""
        run, ranks = self.start_and_wait(out, 2, 12, *more)
        for pid in ranks:
            os.kill(pid, signal.SIGSTOP)
        return run, ranks

    def kill(self, run, ranks):
        for pid in ranks:
            os.kill(pid, signal.SIGKILL)
        run.communicate()

    def begin(self, out, **env):
        return subprocess.Popen(self.command("images", out, 2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environment(**env))

    def wait_for(self, text, run):
        """What `run` has said by the time that it says this."""
        said = ""
        while text not in said:
            line = run.stderr.readline()
            self.assertTrue(line, said)
            said += line
        return said

    def test_a_second_run_into_the_folder_is_refused_and_changes_nothing(self):
        out = self.root / "shared"
        run, ranks = self.held(out)
        before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
        for count in (1, 2):
            began = time.monotonic()
            done = self.run_to_end("images", out, count, "--json", code=4)
            self.assertLess(time.monotonic() - began, 60)
            self.assertIn(f"another run is at work in {out}", self.error(done, 4))
        self.assertEqual({path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}, before)
        # What only reads, or writes elsewhere, may come meanwhile.
        self.run_to_end("images", self.root / "early.safetensors", 1, "--run", str(out), verb="export")
        self.kill(run, ranks)
        self.assertIn("info resumed", self.run_to_end("images", out, 2).stderr)  # who was killed leaves no lock
        self.assert_same(self.reference(), out)

    def test_a_job_that_is_begun_anew_waits_for_the_lock_of_the_one_before(self):
        out = self.root / "requeued"
        run, ranks = self.held(out)
        again = self.begin(out, SLURM_RESTART_COUNT="1")
        self.wait_for("info run_locked", again)
        os.kill(int(pathlib.Path(f"/proc/{again.pid}/task/{again.pid}/children").read_text().split()[0]), signal.SIGTERM)
        _, errors = again.communicate()
        self.assertEqual(again.returncode, 75, errors)
        again = self.begin(out, SLURM_RESTART_COUNT="1")
        self.wait_for("info run_locked", again)
        self.kill(run, ranks)
        _, errors = again.communicate()
        self.assertEqual(again.returncode, 0, errors)
        self.assertIn("info resumed", errors)
        self.assert_same(self.reference(), out)

    def test_two_that_make_one_folder_of_events_do_not_mix_them(self):
        out = self.root / "tensorboard"
        words = [TRAIN, "events", "--run", str(self.reference()), "--out", str(out)]
        subprocess.run(words, check=True, env=self.environment())
        before = (out / "events.out.tfevents.0.aloft").read_bytes()
        with open(out / ".events.lock", "w") as held:
            fcntl.fcntl(held, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            done = subprocess.run(words, capture_output=True, text=True, env=self.environment())
            self.assertIn(f"another `aloft-train events` is at work in {out}", self.error(done, 4))
        self.assertEqual((out / "events.out.tfevents.0.aloft").read_bytes(), before)
        subprocess.run(words, check=True, env=self.environment())

    def test_a_signal_that_comes_before_the_first_step_is_obeyed_at_it(self):
        early = {"LD_PRELOAD": os.environ["UNLUCKY"], "ALOFT_TERM": "1"}
        for ranks in 0, 2:
            out = self.root / f"early-{ranks}"
            done = self.run_to_end("images", out, ranks, *SHORT, *settings("train.epochs=1"), code=75, env=early)
            self.assertIn("state saved", done.stderr)
            self.run_to_end("images", out, ranks, *SHORT, *settings("train.epochs=1"))
        # A verb that saves nothing ends of it, as any program does.
        model = out / "model.safetensors"
        self.run_to_end("images", None, 0, "--model", str(model), *SHORT, code=-signal.SIGTERM, verb="evaluate", env=early)

    def test_where_there_are_no_locks_it_is_said_once(self):
        poor = {"LD_PRELOAD": os.environ["UNLUCKY"], "ALOFT_NO_LOCKS": "1"}
        done = self.run_to_end("images", self.root / "unlocked", 2, *SHORT, *settings("train.epochs=1"), env=poor)
        self.assertEqual(done.stderr.count("warning run_not_locked"), 1, done.stderr)

    def test_a_path_that_is_not_there_is_the_callers_fault_whatever_the_verb(self):
        nowhere, images = str(self.root / "nowhere"), self.root / "images"
        model = self.root / "any.safetensors"
        model.write_bytes(b"any")
        paths = {"--recipe": images / "recipe.toml", "--dataset": images / "data", "--key": images / "dataset.key",
                 "--model": model, "--run": images, "--study": images, "--steward": images / "dataset.key",
                 "--out": self.root / "new-out"}
        run = "--recipe", "--dataset", "--key", "--steward"
        verbs = {"fit": run, "evaluate": (*run, "--model"), "export": (*run, "--run"), "inspect": ("--dataset", "--steward"),
                 "events": ("--run",), "study plan": ("--recipe", "--dataset", "--study"), "study run": (*run, "--study"),
                 "study summary": ("--study",)}
        for verb, options in verbs.items():
            words = {name: str(paths[name]) for name in options}
            if verb in ("fit", "export", "events"):
                words["--out"] = str(paths["--out"])
            wrong = [(name, nowhere, "there is no ") for name in options if (verb, name) != ("study plan", "--study")]
            wrong += [(name, images if paths[name].is_file() else model, "") for name in options]
            wrong += [("--dataset", images, f"{images} is no dataset version")] if "--dataset" in options else []
            if verb in ("evaluate", "export"):
                wrong += [("--out", f"{nowhere}/file", f"there is no folder {nowhere} "), ("--out", images, f"{images} is a folder")]
            if verb in ("fit", "events"):
                wrong += [("--out", model, f"{model} is no folder"), ("--out", f"{model}/below/it", f"{model} is no folder")]
            for name, path, why in wrong:
                with self.subTest(verb=verb, name=name, path=path):
                    given = {**words, name: str(path)}
                    done = subprocess.run([TRAIN, *verb.split(), *(word for pair in given.items() for word in pair)],
                                          capture_output=True, text=True, env=self.environment())
                    self.assertIn(f"{name}: {why}", self.error(done, 2))
                    self.assertIn(str(path) if name != "--out" else why, done.stderr)
                    self.assertEqual(done.stdout, "")
        self.assertFalse((self.root / "new-out").exists())
        done = self.run_to_end("images", self.root / "new-out", 2, "--json", "--key", nowhere, code=2)  # one object of all ranks
        self.assertIn("--key: there is no file", json.loads(done.stdout)["error"]["text"])

    def test_a_run_of_more_epochs_than_are_asked_for_now_is_refused(self):
        out, more = self.root / "longer", settings("evaluate.bootstrap=0", "train.epochs=3")
        self.run_to_end("images", out, 2, *more)
        again = self.run_to_end("images", out, 2, *more)  # nothing to train: it says so
        self.assertIn("info already_trained step=36 ", again.stderr)
        before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
        done = self.run_to_end("images", out, 2, *SHORT, "--set", "train.epochs=2", "--json", code=2)
        self.assertIn("train.epochs: the run in --out has done 36 steps, more than the 24 that the recipe now has: say 3 epochs or more",
                      self.error(done, 2))
        self.assertEqual({path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}, before)
        longer = self.run_to_end("images", out, 2, *SHORT, "--set", "train.epochs=4")
        self.assertNotIn("already_trained", longer.stderr)
        self.assertEqual(self.metrics(out)["training"]["epochs"], 4)

    def test_a_full_disk_is_told_with_the_file_that_has_no_room(self):
        for number, (full, code, told) in enumerate((
                ("step-", 0, "warning checkpoint_failed"), ("log.jsonl", 0, "warning log_not_written"),
                ("model.safetensors", 4, "error system"), ("metrics.json", 4, "error system"))):
            with self.subTest(full):
                out = self.root / f"full-{number}"
                done = self.run_to_end("images", out, 2, *SHORT, *settings("train.epochs=2"), code=code,
                                       env={"LD_PRELOAD": os.environ["UNLUCKY"], "ALOFT_FULL": full})
                lines = [line for line in done.stderr.splitlines() if told in line]
                self.assertTrue(lines, done.stderr)
                for line in lines:
                    self.assertRegex(line, f"cannot write {out}/[^ ]*{full}[^ ]*: No space left on device")
                    self.assertNotIn(".tmp-", line)

    def test_a_shard_that_is_not_there_names_the_host_and_whose_move_it_is(self):
        shutil.copytree(self.root / "images", self.root / "unmounted")
        (self.root / "unmounted/data/shards/shard-000001.h5").unlink()
        done = self.run_to_end("unmounted", self.root / "unmounted-out", 2, code=4)
        lines = [line for line in done.stderr.splitlines() if " error " in line]
        self.assertIn("shards/shard-000001.h5: No such file or directory, on host " + os.uname().nodename, lines[0])
        self.assertIn("Whoever operates it", lines[0])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
