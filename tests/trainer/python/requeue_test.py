"""aloft.requeue_if_asked in plain programs: one process, two ranks of torch.distributed, workers that were forked, torchrun's exit code.

requeue_test.py LIBALOFT PACKAGE"""
import os, pathlib, re, signal, socket, subprocess, sys, tempfile, textwrap, threading, unittest

LIBRARY, PACKAGE = sys.argv[1:3]

# Counts steps; a file says where to go on. Its first line tells the test that it listens.
LOOP = """
import aloft, os, pathlib, sys
state = pathlib.Path("state")
step = int(state.read_text()) if state.exists() else 0
print("goes on at", step, flush=True)
aloft.requeue_if_asked()
print("listens", flush=True)
def save():
    state.write_text(str(step))
    print("saved", step, flush=True)
while not os.path.exists("enough"):
    step += 1
    {body}
print("done", flush=True)
"""


class Requeue(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="aloft-test-")
        self.addCleanup(self.scratch.cleanup)
        self.root = pathlib.Path(self.scratch.name)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("ALOFT", "SLURM", "OMPI", "PMI", "TORCHELASTIC"))}
        self.env.update(ALOFT_LIBRARY=LIBRARY, PYTHONPATH=PACKAGE, PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")

    def start(self, program, **env):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env={**self.env, **env}, cwd=self.root,
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def until(self, process, line):
        said = ""
        for said_now in process.stdout:
            said += said_now
            if said_now.strip() == line:
                return said
        self.fail(f"it never said {line!r}: {said}")

    def end(self, process):
        said = process.communicate(timeout=600)[0]
        return process.returncode, said

    def test_each_signal_saves_and_ends_with_75_and_the_next_run_goes_on(self):
        last = 0
        for number in (signal.SIGURG, signal.SIGUSR1, signal.SIGTERM):
            process = self.start(LOOP.format(body="aloft.requeue_if_asked(save)"))
            self.assertIn(f"goes on at {last}\n", self.until(process, "listens"))
            process.send_signal(number)
            code, said = self.end(process)
            self.assertEqual(code, 75, said)
            saved = int(re.search(r"saved (\d+)", said)[1])
            self.assertGreater(saved, last)
            self.assertNotIn("done", said)
            last = saved

    def test_without_a_warning_nothing_happens(self):
        (self.root / "enough").touch()
        code, said = self.end(self.start(LOOP.format(body="aloft.requeue_if_asked(save)")))
        self.assertEqual((code, "saved" in said), (0, False), said)

    def test_a_state_that_cannot_be_saved_is_no_reason_to_run_again(self):
        process = self.start(LOOP.format(body="aloft.requeue_if_asked(lambda: 1 / 0)"))
        self.until(process, "listens")
        process.send_signal(signal.SIGUSR1)
        code, said = self.end(process)
        self.assertEqual(code, 1, said)
        self.assertIn("ZeroDivisionError", said)

    def test_a_handler_that_was_there_is_called_too(self):
        process = self.start("import signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('mine', flush=True))\n"
                             + LOOP.format(body="aloft.requeue_if_asked(save)"))
        self.until(process, "listens")
        process.send_signal(signal.SIGUSR1)
        code, said = self.end(process)
        self.assertEqual(code, 75, said)
        self.assertIn("mine\n", said)

    def test_only_the_main_thread_can_begin_to_listen(self):
        code, said = self.end(self.start("""
            import aloft, threading
            def begin():
                try: aloft.requeue_if_asked()
                except aloft.UsageError as error: print(error)
            other = threading.Thread(target=begin); other.start(); other.join()"""))
        self.assertIn("made in the main thread", said)

    def ranks(self, program, **env):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        begin = "import torch, torch.distributed as dist\ndist.init_process_group('gloo')\n"
        return [self.start(begin + program, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2",
                           GLOO_SOCKET_IFNAME="lo", **env) for rank in range(2)]

    def test_ranks_stop_after_the_same_step_though_one_alone_was_warned(self):
        for body, multiple in (("aloft.requeue_if_asked(save)", 1), ("aloft.requeue_if_asked(save, every=7)", 7)):
            processes = self.ranks(LOOP.replace('state = pathlib.Path("state")', 'state = pathlib.Path("state%d" % dist.get_rank())')
                                   .format(body=body))
            for process in processes:
                self.until(process, "listens")
            processes[1].send_signal(signal.SIGURG)
            ends = []
            threads = [threading.Thread(target=lambda p=p: ends.append(self.end(p))) for p in processes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual([code for code, _ in ends], [75, 75], ends)
            states = {(self.root / f"state{rank}").read_text() for rank in range(2)}
            self.assertEqual(len(states), 1, states)
            self.assertEqual(int(states.pop()) % multiple, 0)
            for rank in range(2):
                (self.root / f"state{rank}").unlink()

    def test_another_way_to_agree(self):
        process = self.start(LOOP.format(body="aloft.requeue_if_asked(save, agree=lambda warned: step == 41)"))
        code, said = self.end(process)
        self.assertEqual((code, "saved 41\n" in said), (75, True), said)

    def test_a_forked_worker_outlives_the_warning_and_ends_when_its_parent_says_so(self):
        process = self.start("""
            import aloft, multiprocessing, os, signal, time
            aloft.requeue_if_asked()
            worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=[1000])
            worker.start()
            for number in (signal.SIGURG, signal.SIGUSR1): os.kill(worker.pid, number)
            worker.join(0.5)
            print("alive", worker.is_alive())
            worker.terminate()
            worker.join(60)
            print("code", worker.exitcode)""")
        _, said = self.end(process)
        self.assertIn("alive True\ncode -15\n", said)

    def test_under_torchrun_slurm_is_asked_by_scontrol(self):
        tools = self.root / "tools"
        tools.mkdir()
        (tools / "scontrol").write_text("#!/bin/sh\necho \"scontrol $*\"\n")
        (tools / "scontrol").chmod(0o755)
        process = self.start(LOOP.format(body="aloft.requeue_if_asked(save)"), TORCHELASTIC_RUN_ID="1", SLURM_JOB_ID="17",
                             PATH=f"{tools}:{os.environ['PATH']}")
        self.until(process, "listens")
        process.send_signal(signal.SIGURG)
        code, said = self.end(process)
        self.assertEqual(code, 75, said)
        self.assertRegex(said, r"saved \d+\nscontrol requeue 17\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
