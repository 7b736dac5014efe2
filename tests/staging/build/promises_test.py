"""What aloft-stage promises of a build: the same bytes on any number of ranks, whatever kills or fills, and no identifier in
any of them. Run as builds.py says."""
import contextlib, json, os, pathlib, random, re, shutil, signal, subprocess, time

from builds import MPIEXEC, STAGE, DATASETS, family, kill_family, end_of, ranks_of, chunks, Builds, main


class Promises(Builds):
    def test_the_bytes_do_not_depend_on_how_work_is_cut(self):
        definition, deliveries, version = self.small()
        cut = [f"--cut={n}" for n in ("files_per_batch=1", "segment_bytes=1", "segment_samples=2", "block_records=1",
                                       "exchange_bytes=4096", "partition_records=1", "sync_seconds=0")]
        for ranks in (1, 3):
            out = self.root / f"cut-{ranks}"
            self.build("wdbc", out, ranks, deliveries=deliveries, definition=definition, more=cut)
            self.assert_same_tree(version, out)

    def test_no_flag_is_one_that_mpirun_takes_for_itself(self):
        # Some of them it takes wherever they stand, behind the program too: --tune, --mca, --am.
        help_of = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout
        its = set(re.findall(r"(?<![\w-])--?([a-z][a-z0-9-]+)", help_of(MPIEXEC, "--allow-run-as-root", "--help", "all")))
        self.assertLessEqual({"tune", "mca", "am"}, its)
        for command in ("build", "verify", "report"):
            ours = set(re.findall(r"--([a-z][a-z-]+)", help_of(STAGE, command, "--help")))
            self.assertGreater(len(ours), 2)
            self.assertEqual(ours & its - {"help"}, set(), command)
        # In two words, as people type it.
        definition, deliveries, version = self.small()
        run = self.start("wdbc", self.root / "two-words", 2, deliveries=deliveries, definition=definition,
                         more=["--cut", "files_per_batch=1", "--cut", "block_records=1"])
        self.assertEqual(end_of(run), 0)
        self.assertNotIn("Unable to locate", pathlib.Path(f"{run.log}.err").read_text())
        self.assert_same_tree(version, self.root / "two-words")

    def test_progress_is_kept_for_monitoring_where_it_is_asked_for(self):
        definition, deliveries, version = self.small()
        kept = self.root / "aloft-stage.prom"
        out = self.root / "watched"
        self.build("wdbc", out, 2, deliveries=deliveries, definition=definition, more=["--metrics", str(kept)])
        values = dict(re.findall(r'(?m)^aloft_progress_(\w+\{doing="\w+"\}) (\d+)$', kept.read_text()))
        self.assertEqual(values['over{doing="stage1"}'] + values['over{doing="pack"}'], "11")
        self.assertEqual(values['done{doing="stage1"}'], values['total{doing="stage1"}'])
        self.assertGreater(int(values['done{doing="stage1"}']), 0)
        self.assertEqual(kept.stat().st_mode & 0o777, 0o644)
        self.assert_same_tree(version, out)
        # A file that cannot be written is told of, and holds nothing up.
        again = self.root / "unwatched"
        self.build("wdbc", again, 2, deliveries=deliveries, definition=definition, more=["--metrics", str(self.root / "nowhere/file")])
        self.assert_same_tree(version, again)

    def test_what_lies_in_the_work_folder_of_another_stays(self):
        definition, deliveries, version = self.small()
        scratch = self.root / "scratch"
        (scratch / "theirs").mkdir(parents=True)
        (scratch / "theirs/file").write_text("x")
        (scratch / ".tmp-theirs").write_text("x")
        out = self.root / "with-work"
        for already in (False, True):
            summary = self.build("wdbc", out, 2, deliveries=deliveries, definition=definition, more=["--work", str(scratch)])
            self.assertEqual(summary["already_built"], already)
            self.assertEqual(sorted(p.name for p in scratch.iterdir()), [".tmp-theirs", "theirs"])
            self.assertTrue((scratch / "theirs/file").exists())
        self.assert_same_tree(version, out)

    def test_nothing_is_written_into_a_delivery(self):
        definition, deliveries, _ = self.small()
        out = deliveries / "north/version"
        for more in ([], ["--dry-run"]):
            self.failed(2, "--out lies in the folder of the delivery north", "wdbc", out, 2, deliveries=deliveries, definition=definition,
                        more=more)
            self.assertFalse(out.exists())

    def test_an_unfinished_build_of_something_else_is_kept_until_discard(self):
        definition, deliveries, version = self.small()
        out = self.root / "unfinished"
        (out / ".work").mkdir(parents=True)
        (out / "shards").mkdir()
        (out / "shards/shard-000000.h5").write_text("days of work")
        shutil.rmtree(out / ".work")
        self.failed(2, "--discard", "wdbc", out, 2, deliveries=deliveries, definition=definition)
        self.assertEqual((out / "shards/shard-000000.h5").read_text(), "days of work")
        self.build("wdbc", out, 2, deliveries=deliveries, definition=definition, more=["--discard"])
        self.assert_same_tree(version, out)

    def test_a_reader_that_is_killed_from_outside_changes_nothing(self):
        whole, killed = self.version("digits"), 0
        out = self.root / "readers-killed"
        run = self.start("digits", out, 2)
        while run.poll() is None:
            time.sleep(0.05)
            for pid in family(run.pid) if killed < 6 else ():
                with contextlib.suppress(OSError):
                    if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "aloft-reader":
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
        self.assertEqual(run.returncode, 0, pathlib.Path(f"{run.log}.err").read_text()[-2000:])
        self.assertGreater(killed, 0)
        self.assert_same_tree(whole, out)

    def test_a_disk_that_is_full_anywhere_ends_in_one_line_and_the_next_run_goes_on(self):
        whole = self.version("digits")
        if os.geteuid() != 0:
            self.skipTest("a small file system needs root")
        full = 0
        for kilobytes in (64, 300, 700, 1200):
            disk = self.root / f"disk-{kilobytes}"
            disk.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)], check=True)
            try:
                out = disk / "1"
                run = self.start("digits", out, 2)
                if end_of(run) == 0:
                    continue
                full += 1
                errors = pathlib.Path(f"{run.log}.err").read_text()
                self.assertEqual(run.returncode, 4, errors[-3000:])
                self.assertIn("No space left on device", errors)
                self.assertFalse((out / "manifest.json").exists())
                subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
                self.build("digits", out, 2)
                self.assert_same_tree(whole, out)
            finally:
                subprocess.run(["umount", str(disk)], check=True)
        self.assertGreater(full, 1, "the disk was never full")

    def test_ranks_that_meet_by_tcp_alone_build_the_same(self):
        whole, out = self.version("digits"), self.root / "by-tcp"
        done = self.over_tcp([], [], [], out=out)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        self.assert_same_tree(whole, out)

    def test_a_rank_that_cannot_write_says_so_and_stops_the_others(self):
        whole, out = self.version("digits"), self.root / "one-full"
        small = ["sh", "-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]
        done = self.over_tcp([], small, [], out=out)
        self.assertEqual(done.returncode, 4, done.stderr[-3000:])
        self.assertIn("rank_failed rank=1", done.stderr)
        self.assertIn("File too large", done.stderr)
        self.assertEqual(done.stderr.count(" error "), 1, done.stderr)
        self.assertIn("error", json.loads(done.stdout))
        self.build("digits", out, 2)
        self.assert_same_tree(whole, out)

    def test_the_same_bytes_from_1_2_and_4_ranks(self):
        for dataset in DATASETS:
            whole = self.version(dataset)
            for ranks in (1, 4):
                # As delivered again: another folder, other times.
                again = self.root / f"again-{dataset}-{ranks}"
                shutil.copytree(self.deliveries / dataset, again, symlinks=True, copy_function=self.copy_without_times)
                out = self.root / f"{dataset}-{ranks}"
                self.build(dataset, out, ranks, deliveries=again)
                self.assert_same_tree(whole, out)
            subprocess.run([STAGE, "verify", whole, "--key", self.keys / f"{dataset}@1.key"], check=True,
                           stdout=subprocess.DEVNULL)

    def test_killed_at_any_instant_and_run_again_ends_with_the_same_tree(self):
        whole, draw, killed, resumed, round_ = self.version("digits"), random.Random(4), 0, False, 0
        takes = self.seconds["digits"]  # a build; less when the machine has become idle
        while killed < 10 or not resumed:
            self.assertLess(round_, 25, "most builds ended before they were killed, or none went on where one was")
            out = self.root / f"killed-{round_}"
            for kill in range(3):
                begin, run = time.monotonic(), self.start("digits", out, 2)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(takes * draw.random())
                    takes = min(takes, time.monotonic() - begin) if kill == 0 else takes
                    break  # done; once more would find it so
                ranks = ranks_of(run.pid)
                if kill == 1 and len(ranks) == 2 and run.poll() is None:
                    os.kill(ranks[round_ % 2], signal.SIGKILL)  # one rank; mpirun ends the rest
                elif run.poll() is None:
                    kill_family(run.pid)
                killed += end_of(run) != 0
            left = self.logs / "work-of-a-killed-run"  # of the first that left any: searched for identifiers too
            if out.exists() and not (out / "manifest.json").exists() and not left.exists():
                shutil.copytree(out, left)
            resumed |= self.build("digits", out, 2).get("resumed_batches", 0) > 0
            self.assert_same_tree(whole, out)
            round_ += 1

    def test_changed_input_never_meets_the_same_key_and_nonce(self):
        import pydicom
        changed = self.root / "changed"
        shutil.copytree(self.deliveries / "digits", changed, symlinks=True, copy_function=self.copy_without_times)
        path = next(p for p in sorted((changed / "north").iterdir()) if p.is_file() and p.suffix == ".dcm" and
                    pydicom.dcmread(p, force=True).get("PixelData") and
                    not pydicom.dcmread(p).file_meta.TransferSyntaxUID.is_compressed)
        image = pydicom.dcmread(path)
        image.PixelData = bytes([image.PixelData[0] ^ 1]) + image.PixelData[1:]
        image.save_as(path)
        out = self.root / "changed-version"
        self.build("digits", out, 2, deliveries=changed)  # the same version, under the same key
        before, after = chunks(self.version("digits")), chunks(out)
        for place in before.keys() & after.keys():
            self.assertEqual(before[place], after[place], "one key and nonce for two inputs")
        self.assertTrue(before.keys() & after.keys(), "nothing stayed the same")
        self.assertTrue(after.keys() - before.keys(), "nothing changed")

    def test_no_planted_identifier_is_in_any_byte(self):
        for dataset in DATASETS:
            self.version(dataset)
        if not (self.logs / "work-of-a-killed-run").exists():  # this test alone: then a run that is killed here
            run = self.start("digits", self.logs / "work-of-a-killed-run", 2)
            time.sleep(self.seconds["digits"] / 2)
            kill_family(run.pid)
            end_of(run)
        code, seen = self.search(self.logs, versions=DATASETS)
        self.assertEqual((code, seen["found"]), (0, 0), seen)
        self.assertGreater(seen["searched_bytes"], 1_000_000)

    def test_the_search_finds_every_kind_in_a_naive_copy(self):
        naive = self.root / "naive"
        shutil.copytree(self.deliveries, naive, symlinks=True, copy_function=self.copy_without_times)
        code, _ = self.search(naive)
        self.assertEqual(code, 3)
        kinds = {}
        for one in json.loads((self.root / "planted.json").read_text())["identifiers"]:
            kinds.setdefault(one["kind"], []).append(one)
        self.assertGreater(len(kinds), 8)
        for kind, planted in kinds.items():
            part = self.root / f"planted-{kind}.json"
            part.write_text(json.dumps({"identifiers": planted}))
            code, seen = self.search(naive, planted=part)
            self.assertEqual((code, list(seen["by_form"])), (3, [kind]), "the search is blind to this kind")


if __name__ == "__main__":
    main()
