"""Whole runs of aloft-train: interrupted in every way they can be, they end with the same bytes.

runs_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import contextlib, filecmp, json, os, pathlib, shutil, signal, subprocess, sys, time, unittest

from runs_case import IMAGES, TRAIN, RunsCase


class Runs(RunsCase):
    def test_learns_and_reports_by_stratum(self):
        metrics = json.loads((self.reference() / "metrics.json").read_text())
        self.assertGreaterEqual(metrics["overall"]["accuracy"], 0.95)
        self.assertEqual(metrics["overall"]["samples"], 128)  # 32 of 160 patients, four samples each
        self.assertEqual(metrics["patients"], 32)
        self.assertEqual(metrics["split"], "test")
        vendors = metrics["strata"]["vendor"]["worst_first"]
        self.assertEqual(sum(v["samples"] for v in vendors), 128)
        worst = [v["balanced_accuracy"] for v in vendors]
        self.assertEqual(worst, sorted(worst))
        steps = [json.loads(line)["step"] for line in (self.reference() / "log.jsonl").read_text().splitlines()
                 if '"event":"step"' in line]
        self.assertEqual(steps, list(range(1, metrics["training"]["steps"] + 1)))

    def test_killed_and_run_again_ends_with_the_same_bytes(self):
        out = self.root / "killed"
        for step in (20, 40):
            run, ranks = self.start_and_wait(out, 2, step)
            os.kill(ranks[-1], signal.SIGKILL)
            run.communicate()
            self.assertNotEqual(run.returncode, 0)
            self.assertFalse((out / "model.safetensors").exists())
        again = self.run_to_end("images", out, 2)
        self.assertIn("info resumed", again.stderr)
        self.assert_same(self.reference(), out)
        steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()
                 if '"event":"step"' in line]
        self.assertEqual(steps, list(range(1, len(steps) + 1)), "a step is told twice or missing")
        self.run_to_end("images", out, 2)  # once more, when all is done: nothing changes
        self.assert_same(self.reference(), out)

    def test_each_of_the_signals_saves_and_exits_with_75(self):
        out = self.root / "stopped"
        for sign, step in ((signal.SIGTERM, 9), (signal.SIGURG, 20), (signal.SIGUSR1, 31)):
            run, ranks = self.start_and_wait(out, 2, step)
            os.kill(ranks[0], sign)  # one rank is told: all stop
            _, errors = run.communicate()
            self.assertEqual(run.returncode, 75, errors)
            self.assertIn("state saved at step", errors)
        self.run_to_end("images", out, 2)
        self.assert_same(self.reference(), out)

    def stop_when(self, kind, out, seen):
        """Starts a run on two ranks, tells one of them to stop as soon as its log shows `seen`; the log as it was left, None if all was done by
        then: a machine that is busy elsewhere may see it too late."""
        run = subprocess.Popen(self.command(kind, out, 2), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=self.environment())
        log = out / "log.jsonl"
        while run.poll() is None and not (log.exists() and seen(log.read_text())):
            time.sleep(0.001)
        with contextlib.suppress(OSError, IndexError):
            os.kill(int(pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()[1]), signal.SIGTERM)
        _, errors = run.communicate()
        if run.returncode == 0:
            return None
        self.assertEqual(run.returncode, 75, errors)
        return log.read_text()

    def test_a_signal_is_obeyed_while_validating_and_evaluating(self):
        shutil.copytree(self.root / "images", self.root / "slow")  # a sample at a time, of a model that takes its time
        (self.root / "slow" / "recipe.toml").write_text(IMAGES.replace("epochs = 8", "epochs = 2").replace("width = 8", "width = 64")
                                                        .replace("bootstrap = 20", "bootstrap = 20\nbatch = 1"))
        whole = self.root / "slow-whole"
        self.run_to_end("slow", whole, 2)
        steps = json.loads((whole / "metrics.json").read_text())["training"]["steps"] // 2
        for attempt in range(5):
            stopped = self.root / f"slow-{attempt}"
            log = self.stop_when("slow", stopped, lambda text: f'"event":"step","step":{steps},' in text)
            if log and '"event":"epoch"' not in log:
                break
        self.assertTrue(log and '"event":"epoch"' not in log, "it ended its validation first, each time")
        for attempt in range(5):
            out = self.root / f"slow-again-{attempt}"
            shutil.copytree(stopped, out)
            log = self.stop_when("slow", out, lambda text: text.count('"event":"epoch"') == 2)
            if log:
                break
        self.assertTrue(log, "it ended its evaluation first, each time")
        self.assertIn(f'"event":"resumed","step":{steps}', log)
        self.assertFalse((out / "metrics.json").exists())
        self.run_to_end("slow", out, 2)
        self.assert_same(whole, out)
        epochs = [line for line in (out / "log.jsonl").read_text().splitlines() if '"event":"epoch"' in line]
        self.assertEqual(epochs, [line for line in (whole / "log.jsonl").read_text().splitlines() if '"event":"epoch"' in line])

    def test_damaged_newest_checkpoint_falls_back_to_the_one_before(self):
        out = self.root / "damaged"
        run, ranks = self.start_and_wait(out, 2, 40)
        os.kill(ranks[0], signal.SIGKILL)
        run.communicate()
        newest = sorted((out / "checkpoints").glob("step-*"))[-1]
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 1
        newest.write_bytes(content)
        again = self.run_to_end("images", out, 2)
        self.assertIn("warning checkpoint_damaged", again.stderr)
        self.assertIn(newest.name, again.stderr)
        self.assert_same(self.reference(), out)

    def test_truncated_checkpoints_only_begin_anew(self):
        out = self.root / "truncated"
        run, ranks = self.start_and_wait(out, 2, 15)
        os.kill(ranks[0], signal.SIGKILL)
        run.communicate()
        for checkpoint in (out / "checkpoints").glob("step-*"):
            os.truncate(checkpoint, 100)
        again = self.run_to_end("images", out, 2)
        self.assertIn("info started", again.stderr)
        self.assert_same(self.reference(), out)

    def test_reproducible_runs_have_the_same_bytes_on_any_number_of_ranks(self):
        flag = "--set", "train.reproducible=true"
        for ranks in (2, 4):
            self.assert_same(self.reference(1, *flag), self.reference(ranks, *flag))
        mixed = self.root / "mixed"  # begun on four ranks, ended on one
        run, ranks = self.start_and_wait(mixed, 4, 20, *flag)
        os.kill(ranks[1], signal.SIGTERM)
        run.communicate()
        self.assertEqual(run.returncode, 75)
        again = self.run_to_end("images", mixed, 1, *flag)
        self.assertNotIn("ranks_changed", again.stderr)
        self.assert_same(self.reference(1, *flag), mixed)

    def test_other_ranks_go_on_with_a_warning(self):
        out = self.root / "ranks"
        run, ranks = self.start_and_wait(out, 4, 20)
        os.kill(ranks[1], signal.SIGTERM)
        run.communicate()
        again = self.run_to_end("images", out, 2)
        self.assertIn("warning ranks_changed", again.stderr)
        self.assertGreaterEqual(json.loads((out / "metrics.json").read_text())["overall"]["accuracy"], 0.95)

    def test_tables_with_missing_values_are_the_same_on_any_number_of_ranks(self):
        outs = []
        for ranks in (1, 2, 4):
            outs.append(self.root / f"table-{ranks}")
            self.run_to_end("table", outs[-1], ranks)
            self.assert_same(outs[0], outs[-1])
        self.assertGreaterEqual(json.loads((outs[0] / "metrics.json").read_text())["overall"]["accuracy"], 0.95)

    def test_evaluate_gives_the_figures_that_fit_wrote(self):
        whole = json.loads((self.reference() / "metrics.json").read_text())
        del whole["training"]
        model = "--model", str(self.reference() / "model.safetensors")
        for ranks in (1, 3):
            done = self.run_to_end("images", None, ranks, *model, "--json", verb="evaluate")
            self.assertEqual(json.loads(done.stdout), whole)

    def test_a_row_of_few_samples_has_no_count_of_them(self):
        done = self.run_to_end("images", None, 0, "--model", str(self.reference() / "model.safetensors"), "--json", "--set",
                               "evaluate.min_stratum=1", verb="evaluate")
        self.assertIn(None, [row["samples"] for row in json.loads(done.stdout)["calibration"]["curve"]])

    def export(self, run, file, *more, code=0):
        return self.run_to_end("images", file, 1, "--run", str(run), "--json", *more, verb="export", code=code)

    def test_a_checkpoint_gives_a_model_while_the_run_goes_on(self):
        for name, more in (("kept", ()), ("last", ("--set", "train.select=last"))):  # at the end: what fit wrote
            whole, file = self.reference(2, *more), self.root / f"{name}.safetensors"
            before = {path: path.read_bytes() for path in (whole / "checkpoints").iterdir()}
            self.export(whole, file, *more)
            self.assertTrue(filecmp.cmp(whole / "model.safetensors", file, shallow=False), name)
            self.assertEqual({path: path.read_bytes() for path in (whole / "checkpoints").iterdir()}, before)
        out, file = self.root / "exported", self.root / "early.safetensors"
        run, ranks = self.start_and_wait(out, 2, 40)
        os.kill(ranks[0], signal.SIGKILL)
        run.communicate()
        (out / "checkpoints/.tmp-half").write_bytes(b"half")  # what the run is just writing stays
        newest = max((out / "checkpoints").glob("step-*"))
        (out / "checkpoints/step-000000999999.safetensors").write_bytes(newest.read_bytes()[:-9])  # not whole
        told = json.loads(self.export(out, file, "--last").stdout)
        self.assertEqual(told, {"step": int(newest.stem[5:]), "steps": int(newest.stem[5:])})
        self.assertTrue((out / "checkpoints/.tmp-half").exists() and (out / "checkpoints/step-000000999999.safetensors").exists())
        figures = json.loads(self.run_to_end("images", None, 1, "--model", str(file), "--json", verb="evaluate").stdout)
        self.assertEqual(figures["overall"]["samples"], json.loads((self.reference() / "metrics.json").read_text())["overall"]["samples"])
        self.assertIn("another recipe", self.export(out, file, "--set", "optimizer.rate=0.5", code=2).stderr)
        self.assertIn("no whole checkpoint", self.export(self.root, file, code=2).stderr)

    def test_settings_patience_and_bf16(self):
        out = self.root / "early"
        self.run_to_end("images", out, 1, "--set", "train.patience=2", "--set", "train.epochs=60", "--set",
                        "train.precision=bf16")
        training = json.loads((out / "metrics.json").read_text())["training"]
        self.assertLess(training["epochs"], 60)
        self.assertLessEqual(training["selected_step"], training["steps"])

    def refused(self, code, text, *more, out="refused", kind="images", env=None, ranks=2):
        done = self.run_to_end(kind, self.root / out, ranks, *more, code=code, env=env)
        lines = [line for line in done.stderr.splitlines() if " error " in line]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(text, lines[0])
        self.assertEqual(done.stdout, "")

    def test_divergence_skips_steps_and_ends_after_a_limit(self):
        """One step an epoch: a validation with scores that are not finite comes before the gradients tell."""
        out = self.root / "diverged"
        done = self.run_to_end("images", out, 2, "--set", "optimizer.name=sgd", "--set", "optimizer.rate=990",
                               "--set", "optimizer.clip=0", "--set", "schedule.warmup_steps=0", "--set", "data.batch=384",
                               "--set", "train.skip_limit=3", "--set", "train.epochs=40", code=3)
        self.assertIn("3 steps in a row", done.stderr)
        log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        self.assertEqual(sum(each["event"] == "skipped" for each in log), 3)
        self.assertFalse(any(each["best"] and each["validation"]["loss"] is None for each in log if each["event"] == "epoch"))

    def test_a_rank_that_stops_is_named_and_the_job_ends(self):
        for missing in (1, 0):
            out = self.root / f"hangs-{missing}"
            run, ranks = self.start_and_wait(out, 2, 5, "--set", "train.hang_seconds=10", "--set", "train.epochs=500")
            os.kill(ranks[missing], signal.SIGSTOP)
            _, errors = run.communicate(timeout=300)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(f"rank_missing rank={missing} ", errors)
            self.assertNotIn(f"rank_missing rank={1 - missing} ", errors)

    def test_epochs_strata_and_select_may_change_and_weights_may_not(self):
        out = self.root / "longer"
        self.run_to_end("images", out, 2, "--set", "train.epochs=2")
        again = self.run_to_end("images", out, 2, "--set", "train.epochs=4", "--set", "train.select=loss", "--set",
                                'evaluate.strata=["site"]', "--set", "name=longer")
        self.assertIn("info resumed", again.stderr)
        metrics = json.loads((out / "metrics.json").read_text())
        self.assertEqual(metrics["training"]["epochs"], 4)
        self.assertEqual(list(metrics["strata"]), ["site"])
        for change in ("optimizer.rate=0.5", "seed=2", "data.batch=64", "model.width=16", "train.precision=bf16", "train.precision=tf32",
                       "train.micro_batches=4", "schedule.warmup_steps=9", "optimizer.clip=0.5"):
            self.refused(2, "another recipe", "--set", change, out="longer")

    def test_a_checkpoint_that_cannot_be_written_or_removed_ends_no_run(self):
        out = self.root / "no-room"
        run, _ = self.start_and_wait(out, 2, 2)
        for step in (0, 63):  # one that is to go, one that is to come
            (out / "checkpoints" / f"step-{step:012}.safetensors" / "in-the-way").mkdir(parents=True)
        _, errors = run.communicate()
        self.assertEqual(run.returncode, 0, errors)
        self.assertIn("warning checkpoint_not_removed", errors)
        self.assertIn("warning checkpoint_failed", errors)
        self.assert_same(self.reference(), out)

    def test_a_rank_that_fails_alone_ends_the_job_at_once(self):
        """A label that no count speaks of is missing on one rank, in the middle of a step: the other waits for its gradients."""
        self.make("miscounted")
        done = self.run_to_end("miscounted", self.root / "miscounted-out", 2, code=3)
        self.assertIn("has no label", done.stderr)
        self.assertIn('"event":"started"', (self.root / "miscounted-out" / "log.jsonl").read_text())
        self.assertNotIn("rank_missing", done.stderr)

    def test_missing_labels_are_told_before_the_first_step(self):
        self.make("unlabelled")
        out = self.root / "unlabelled-out"
        for verb in ("fit", "evaluate"):
            more = ("--model", str(self.reference() / "model.safetensors")) if verb == "evaluate" else ()
            done = self.run_to_end("unlabelled", out, 2, *more, verb=verb, code=3)
            errors = [line for line in done.stderr.splitlines() if " error " in line]
            self.assertEqual(len(errors), 1, done.stderr)
            self.assertRegex(errors[0], "column label is empty in .*<10 of 128 samples of split test .north <10, south <10, tiny <10")
            self.assertIn("data.missing_label", errors[0])
            self.assertEqual("of split train" in errors[0], verb == "fit")
            self.assertFalse(out.exists())
        outs = []
        for ranks in (1, 2):  # without them: the same samples on any number of ranks
            outs.append(self.root / f"labelled-{ranks}")
            done = self.run_to_end("unlabelled", outs[-1], ranks, "--set", "data.missing_label=leave_out", "--set",
                                   "train.epochs=3", "--set", "train.reproducible=true")
            self.assertIn("warning samples_left_out", done.stderr)
            self.assert_same(outs[0], outs[-1])
        metrics = json.loads((outs[0] / "metrics.json").read_text())
        self.assertEqual(metrics["overall"]["samples"], 124)
        self.assertNotIn("without_label", metrics)  # fewer than ten
        more = self.root / "labelled-train.json"
        self.run_to_end("unlabelled", more, 2, "--model", str(outs[0] / "model.safetensors"), "--set", "data.missing_label=leave_out",
                        "--set", "evaluate.split=train", verb="evaluate")
        self.assertEqual(json.loads(more.read_text())["without_label"], 10)

    def test_other_threads_go_on_with_a_warning(self):
        out = self.root / "threads"
        self.run_to_end("images", out, 1, "--set", "train.epochs=1", env={"OMP_NUM_THREADS": "1"})
        again = self.run_to_end("images", out, 1, "--set", "train.epochs=2", env={"OMP_NUM_THREADS": "2"})
        self.assertIn("warning threads_changed from=1 to=2", again.stderr)

    def test_a_model_for_another_shape_is_refused(self):
        done = self.run_to_end("table", None, 1, "--model", str(self.reference() / "model.safetensors"), code=2,
                               verb="evaluate")
        self.assertIn("shape", done.stderr)

    def test_refusals_are_one_clear_line_each(self):
        self.refused(2, "--key: there is no file /nonexistent/key", "--key", "/nonexistent/key")
        self.refused(2, "another recipe", "--set", "optimizer.rate=0.5", out=self.reference().name)
        self.refused(2, 'did you mean', "--set", "optimizer.rte=0.5")
        self.refused(2, "resnet2d takes images", "--set", "model.name=resnet2d", "--set", "model.width=8", kind="table")
        self.refused(2, "not a multiple of", ranks=3)
        self.refused(2, "bars@1 has no samples in the split hidden; it has some in train, validation, test", "--set", "evaluate.split=hidden")
        done = self.run_to_end("images", None, 2, "--model", str(self.reference() / "model.safetensors"), "--json", "--set",
                               "evaluate.split=hidden", verb="evaluate", code=2)
        self.assertIn("no samples in the split hidden", json.loads(done.stdout)["error"]["text"])
        if not pathlib.Path("/dev/nvidiactl").exists():
            self.refused(4, "no GPU", "--device", "cuda")

    def test_a_flipped_byte_names_file_dataset_and_sample(self):
        shutil.copytree(self.root / "images", self.root / "flipped")
        shard = self.root / "flipped" / "data" / "shards" / "shard-000001.h5"
        content = bytearray(shard.read_bytes())
        content[len(content) // 3] ^= 1
        shard.write_bytes(content)
        done = subprocess.run(self.command("flipped", self.root / "flipped-out", 2), capture_output=True, text=True,
                              env=self.environment())
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("shard-000001.h5", done.stderr)
        self.assertIn("sample", done.stderr)
        self.assertFalse((self.root / "flipped-out" / "model.safetensors").exists())

    def test_inspect_needs_no_key(self):
        done = subprocess.run([TRAIN, "inspect", "--dataset", self.root / "images" / "data", "--json"],
                              capture_output=True, text=True, check=True, env=self.environment())
        summary = json.loads(done.stdout)
        self.assertEqual(summary["samples"], 640)
        self.assertEqual(summary["counts"]["split"]["test"], 130)  # of 128: counts are published in tens


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
