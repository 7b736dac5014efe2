"""What a recipe's keys promise, in whole runs of aloft-train, and what stands in none of its files.

recipes_test.py ALOFT_TRAIN MAKE_DATASET MPIEXEC [TEST...]"""
import base64, json, pathlib, resource, struct, subprocess, sys, time, unittest, xml.etree.ElementTree

from runs_case import MAKE, RunsCase


def settings(**keys):
    """settings(train_epochs=3): --set train.epochs=3"""
    return [word for key, value in keys.items() for word in ("--set", f"{key.replace('_', '.', 1)}={value}")]


class Recipes(RunsCase):
    def fit(self, name, ranks=1, **keys):
        out = self.root / name
        self.run_to_end("images", out, ranks, *settings(**keys))
        return out

    def test_the_logged_loss_is_the_mean_over_samples(self):
        """Of weights that hardly move: what evaluation says of the same samples, for any ranks, micro-batches and lines."""
        still = dict(optimizer_rate=1e-12, optimizer_weight_decay=0, schedule_warmup_steps=0, model_dropout=0.0,
                     train_epochs=1, train_micro_batches=4, evaluate_split="train", evaluate_bootstrap=0)
        for name, ranks, batch, lines in (("one-step", 2, 384, 1), ("four-steps", 1, 96, 4), ("by-fours", 2, 96, 1)):
            out = self.fit("loss-" + name, ranks, data_batch=batch, train_log_steps=384 // batch // lines, **still)
            losses = [line["loss"] for line in self.log(out, "step")]
            self.assertEqual(len(losses), lines)
            self.assertAlmostEqual(sum(losses) / lines, self.metrics(out)["overall"]["loss"], delta=1e-5)

    def test_select_keeps_the_step_with_the_best_score(self):
        for select in ("accuracy", "auroc", "loss", "last"):
            # So great a rate that the loss goes up and down where the others have come to their end.
            out = self.fit("select-" + select, train_select=select, train_epochs=8, optimizer_rate=0.1, schedule_name="constant")
            epochs = self.log(out, "epoch")
            if select == "last":
                wanted = epochs[-1]["step"]
            else:
                sign = -1 if select == "loss" else 1
                wanted = max(epochs, key=lambda e: (sign * e["validation"][select], e["step"]))["step"]
                best = None
                for epoch in epochs:  # of equal ones the later
                    score = sign * epoch["validation"][select]
                    self.assertEqual(epoch["best"], best is None or score >= best, select)
                    best = score if best is None else max(best, score)
                if select == "loss":
                    self.assertIn(False, [epoch["best"] for epoch in epochs])
            self.assertEqual(self.metrics(out)["training"]["selected_step"], wanted, select)

    def test_sgd_a_constant_rate_and_no_clipping(self):
        keys = dict(optimizer_name="sgd", optimizer_rate=0.01, schedule_name="constant", schedule_warmup_steps=0, train_epochs=2)
        outs = {clip: self.fit(f"clip-{clip}", optimizer_clip=clip, **keys) for clip in ("0", "100", "0.01")}
        self.assertEqual({line["rate"] for line in self.log(outs["0"], "step")}, {0.01})
        model = {clip: (out / "model.safetensors").read_bytes() for clip, out in outs.items()}
        weights = {clip: content[8 + struct.unpack("<Q", content[:8])[0]:] for clip, content in model.items()}
        self.assertEqual(weights["0"], weights["100"])  # a norm that nothing reaches
        self.assertNotEqual(weights["0"], weights["0.01"])

    def test_the_positive_class_points_strata_and_score_are_those_of_the_recipe(self):
        self.make("two")
        asked = dict(train_epochs=3, evaluate_points='["0.5", "sensitivity >= 0.9", "specificity >= 0.9"]', evaluate_score="auroc",
                     evaluate_strata='["age", "site"]', evaluate_bootstrap=40)
        told = {}
        for positive in ("left", "right"):
            out = self.root / f"positive-{positive}"
            self.run_to_end("two", out, 2, *settings(evaluate_positive=positive, **asked))
            told[positive] = self.metrics(out)
            again = self.run_to_end("two", None, 3, "--model", str(out / "model.safetensors"), "--json",
                                    *settings(evaluate_positive=positive, **asked), verb="evaluate")
            training = told[positive].pop("training")
            self.assertEqual(json.loads(again.stdout), told[positive])
            self.assertEqual(training["epochs"], 3)
        left, right = told["left"], told["right"]
        self.assertEqual((left["positive"], right["positive"]), ("left", "right"))
        self.assertEqual(left["overall"]["sensitivity"], right["overall"]["specificity"])
        self.assertEqual(left["overall"]["specificity"], right["overall"]["sensitivity"])
        self.assertNotEqual(left["overall"]["sensitivity"], left["overall"]["specificity"])
        matrix = left["confusion"]
        self.assertAlmostEqual(left["overall"]["sensitivity"], matrix[0][0] / sum(matrix[0]), places=5)
        self.assertAlmostEqual(right["overall"]["sensitivity"], matrix[1][1] / sum(matrix[1]), places=5)
        points = left["overall"]["points"]
        self.assertEqual(points[0]["threshold"], 0.5)
        self.assertEqual(len({point["threshold"] for point in points}), 3)
        self.assertLess(0, left["calibration"]["temperature"]["temperature"])
        self.assertLess(left["calibration"]["temperature"]["loss"], left["overall"]["loss"])
        self.assertEqual(list(left["strata"]), ["age", "site"])
        ages = left["strata"]["age"]["worst_first"]
        self.assertEqual({age["value"] for age in ages}, {"age_40", "age_60"})
        self.assertEqual(sum(age["samples"] for age in ages), left["overall"]["samples"])
        self.assertLessEqual(ages[0]["auroc"], ages[1]["auroc"])
        self.assertEqual(ages[0]["gap"]["score"], -ages[1]["gap"]["score"])
        self.check_page(self.root / "positive-left/report.html", left)
        model = "--model", str(self.root / "positive-left/model.safetensors")
        for key, word in ((dict(evaluate_positive="top"), "evaluate.positive"), (dict(evaluate_strata='["agee"]'), "agee"),
                          (dict(evaluate_strata='["patient"]'), "strata"), (dict(evaluate_score="beauty"), "balanced_accuracy"),
                          (dict(evaluate_points="sensitivity > 2"), "points")):
            done = self.run_to_end("two", None, 2, *model, *settings(**key), verb="evaluate", code=2)
            self.assertIn(word, done.stderr)
        three = self.run_to_end("images", self.root / "three", 1, *settings(evaluate_points='["0.5"]', train_epochs=1), code=2)
        self.assertIn("two classes", three.stderr)

    def check_page(self, file, metrics):
        """report.html: well-formed, fetches and runs nothing, and every stratum that is shown is in it."""
        page = xml.etree.ElementTree.fromstring(file.read_bytes())
        elements = list(page.iter())
        self.assertLessEqual({each.tag.split("}")[1] for each in elements},
                             {"html", "head", "meta", "title", "style", "body", "div", "details", "summary", "p", "h1", "h2", "h3", "svg", "line", "text", "circle", "polyline",
                              "table", "tr", "th", "td"})
        self.assertFalse([name for each in elements for name in each.keys() if name in ("src", "href", "style") or name.startswith("on")])
        self.assertNotIn("url(", file.read_text())
        body = [each for each in elements if each.tag.endswith("body")][0]
        self.assertEqual(body[0].get("class"), "fails")
        text = " ".join(page.itertext())
        self.assertIn(f"ROC curve of {metrics['positive']}", text)
        for name, stratum in metrics["strata"].items():
            for entry in stratum["worst_first"]:
                self.assertIn(f"{name}: {entry['value']}", text)
            for value in stratum["suppressed"]:
                self.assertNotIn(f"{name}: {value} ", text)

    def checkpoints(self, out):
        return sorted(int(path.stem[5:]) for path in (out / "checkpoints").glob("step-*.safetensors"))

    def test_as_many_checkpoints_are_kept_and_as_often_written_as_said(self):
        for keep in (2, 4):
            out = self.fit(f"keep-{keep}", checkpoint_keep=keep, checkpoint_every_steps=5, checkpoint_every_epochs=0,
                           checkpoint_every_seconds=0, train_epochs=3)  # 36 steps
            self.assertEqual(self.checkpoints(out), [20, 25, 30, 35, 36][-keep:])
        never = dict(checkpoint_keep=100, checkpoint_every_steps=0, checkpoint_every_epochs=0, train_epochs=2)
        self.assertEqual(self.checkpoints(self.fit("seconds-0", checkpoint_every_seconds=0, **never)), [24])
        self.assertGreater(len(self.checkpoints(self.fit("seconds-1", checkpoint_every_seconds=0.0001, **never))), 1)

    def test_the_order_of_samples_survives_a_change_of_ranks(self):
        """Losses of the steps after it are those of a run that was not stopped; of another order they are not."""
        keys = dict(train_micro_batches=4, model_dropout=0.0, schedule_name="constant")
        out = self.root / "order-changed"
        run, ranks = self.start_and_wait(out, 4, 5, *settings(train_epochs=400, **keys))
        subprocess.run(["kill", "-TERM", str(ranks[1])], check=True)
        _, errors = run.communicate()
        self.assertEqual(run.returncode, 75, errors)
        stopped = self.log(out, "step")[-1]["step"]
        epochs = stopped // 12 + 2
        self.run_to_end("images", out, 2, *settings(train_epochs=epochs, **keys))
        changed = [line["loss"] for line in self.log(out, "step")]
        wholes = [[line["loss"] for line in self.log(self.fit(f"order-{seed}", 4, seed=seed, train_epochs=epochs, **keys), "step")]
                  for seed in (1, 2)]
        after = slice(stopped, stopped + 12)
        self.assertEqual(len(changed[after]), 12)
        apart = [max(abs(a - b) for a, b in zip(changed[after], whole[after])) for whole in wholes]
        self.assertLess(apart[0] * 5, apart[1], apart)

    def test_balance_changes_the_samples_of_training_alone_and_belongs_to_the_run(self):
        keys = dict(train_epochs=1, train_reproducible="true", train_micro_batches=4, evaluate_split="train", evaluate_bootstrap=0)
        vendor = dict(balance_columns="vendor", balance_most_repeats=2)
        outs = [self.root / f"balanced-{ranks}" for ranks in (1, 2)]
        for ranks, out in enumerate(outs, 1):
            done = self.run_to_end("images", out, ranks, *settings(**vendor, **keys))
            self.assertIn("info balanced groups=2 without_category=0 steps=", done.stderr)
            self.assertNotIn("balance_capped", done.stderr)
        self.assert_same(*outs)
        self.assertEqual(self.metrics(outs[0])["overall"]["samples"], 384)  # all that are judged, once
        plain, capped = self.fit("not-balanced", 2, **keys), self.root / "capped"
        done = self.run_to_end("images", capped, 2, *settings(balance_columns="vendor", balance_most_repeats=1, **keys))
        self.assertIn("zeta", [line for line in done.stderr.splitlines() if "warning balance_capped most_repeats=1" in line][0])
        losses = [[line["loss"] for line in self.log(out, "step")] for out in (plain, capped, outs[0])]
        self.assertEqual(losses[0], losses[1])  # where nobody may come more often, all is as without
        self.assertNotEqual(losses[0][0], losses[2][0])
        self.assertEqual(len(losses[0]), len(losses[2]))
        for changed, text in ((dict(vendor, balance_most_repeats=3), "another recipe"), (dict(balance_column="vendor"), "columns")):
            done = self.run_to_end("images", outs[0], 0, *settings(**changed, **keys), code=2)
            self.assertIn(text, done.stderr)

    def test_validation_computes_in_the_precision_of_training(self):
        keys = dict(train_precision="bf16", train_epochs=2)
        out = self.fit("bf16", **keys)
        def loss(**keys):
            done = self.run_to_end("images", None, 1, "--model", str(out / "model.safetensors"), "--json", *settings(**keys), verb="evaluate")
            return json.loads(done.stdout)["overall"]["loss"]
        self.assertEqual(loss(**keys), self.metrics(out)["overall"]["loss"])
        self.assertNotEqual(loss(), self.metrics(out)["overall"]["loss"])
        scores = {}  # the same of the validation after each epoch: by weights that do not move
        for precision in ("bf16", "float32"):
            out = self.fit("still-" + precision, train_precision=precision, train_epochs=1, optimizer_rate=1e-12, optimizer_weight_decay=0)
            scores[precision] = self.log(out, "epoch")[0]["validation"]["loss"]
        self.assertNotEqual(scores["bf16"], scores["float32"])
        self.assertAlmostEqual(scores["bf16"], scores["float32"], delta=0.05)

    def test_evaluating_leaves_no_dump_of_what_was_decrypted(self):
        model = self.fit("dump", train_epochs=1) / "model.safetensors"
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if most == 0:
            self.skipTest("this machine allows no core dumps")
        run = subprocess.Popen(self.command("images", None, 1, "--model", str(model), *settings(evaluate_batch=1), verb="evaluate"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment(),
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)))
        seen = set()
        while run.poll() is None:
            try:
                for pid in pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split():
                    lines = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
                    seen.update(line.split()[4] for line in lines if line.startswith("Max core file size"))
            except OSError:
                pass
            time.sleep(0.001)
        self.assertEqual(run.returncode, 0)
        self.assertIn("0", seen)

    def test_no_pixel_pseudonym_or_prediction_is_in_a_file_or_text(self):
        canaries = [bytes.fromhex(line) for line in subprocess.run([MAKE, "canaries", "-"], capture_output=True, text=True, check=True).stdout.split()]
        self.assertEqual(len(canaries), 2)
        forms = {form for raw in canaries for form in (
            raw, raw.hex().encode(), raw.hex().upper().encode(), base64.b64encode(raw)[:-4], struct.pack(f"<{len(raw)}f", *raw),
            ",".join(map(str, raw)).encode())}
        out = self.root / "searched"
        run = self.run_to_end("images", out, 2, *settings(train_epochs=2, checkpoint_keep=9))
        files = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        self.assertGreaterEqual(len(files), 4)
        for name, content in {**files, "stdout": run.stdout.encode(), "stderr": run.stderr.encode()}.items():
            self.assertFalse([form for form in forms if form in content], name)

        def longest(json_value):
            if isinstance(json_value, dict):
                json_value = list(json_value.values())
                return max(map(longest, json_value), default=0)
            return max([len(json_value), *map(longest, json_value)]) if isinstance(json_value, list) else 0
        for line in [*files["log.jsonl"].decode().splitlines(), files["metrics.json"].decode()]:
            self.assertLess(longest(json.loads(line)), 16)  # nothing by sample, of which there are hundreds
        def names(content):
            return set(json.loads(content[8:8 + struct.unpack("<Q", content[:8])[0]])) - {"__metadata__"}
        model = names(files["model.safetensors"])
        for name, content in files.items():
            if name.startswith("step-"):
                for tensor in names(content):
                    part, rest = tensor.split(".", 1)
                    self.assertIn(part, ("model", "best", "optimizer"))
                    self.assertTrue((rest.rsplit(".", 1)[0] if part == "optimizer" else rest) in model, tensor)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
