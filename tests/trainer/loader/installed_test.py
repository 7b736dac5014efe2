"""libaloft as it is installed: its header and its library alone are enough for a program in C.

installed_test.py CMAKE BUILD_DIR MAKE_DATASET CC CXX"""
import os, pathlib, re, subprocess, sys, tempfile, unittest

CMAKE, BUILD, MAKE, CC, CXX = sys.argv[1:6]
HERE = pathlib.Path(__file__).parent
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="aloft-test-")
        cls.root = pathlib.Path(cls.scratch.name)
        run(CMAKE, "--install", BUILD, "--prefix", cls.root / "prefix", "--component", "loader")
        (cls.lib,) = (cls.root / "prefix").glob("lib*")
        cls.library = cls.lib / "libaloft.so"
        run(MAKE, cls.root, "images")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def flags(self):
        return run("pkg-config", "--cflags", "--libs", "aloft",
                   env={**os.environ, "PKG_CONFIG_PATH": str(self.lib / "pkgconfig")}).split()

    def test_a_c_program_with_the_header_and_the_library_alone(self):
        program = self.root / "contract"
        run(CC, "-std=gnu11", *STRICT, HERE / "contract.c", "-o", program, *self.flags(), "-pthread")
        env = {k: v for k, v in os.environ.items() if not k.startswith("ALOFT")}
        env.update(LD_LIBRARY_PATH=str(self.lib), ALOFT_DATA=str(self.root / "none"), ALOFT_KEYS=str(self.root / "none"))
        # Of 160 patients of 4 samples three of five train.
        self.assertIn("the contract holds", run(program, self.root / "data", self.root / "dataset.key", 384, env=env))

    def test_the_header_alone_in_c_and_cpp(self):
        for compiler, suffix, standard in ((CC, "c", "c99"), (CXX, "cpp", "c++11")):
            source = self.root / f"alone.{suffix}"
            source.write_text("#include <aloft.h>\nint use(void);\n"
                              "int use(void) { aloft_options o = ALOFT_OPTIONS; return (int)o.size; }\n")
            run(compiler, f"-std={standard}", *STRICT, "-c", source, "-o", self.root / "alone.o", *self.flags()[:1])

    def test_nothing_is_visible_but_the_functions_of_the_header_each_with_its_version(self):
        header = (self.root / "prefix/include/aloft.h").read_text()
        declared = set(re.findall(r"^(?:int|void|const char\*) (aloft_\w+)\(", header, re.M))
        symbols = run("nm", "-D", "--defined-only", self.library).split("\n")
        visible = {line.split()[-1] for line in symbols if line and " A " not in line}
        self.assertEqual(visible, {f"{name}@@ALOFT_1" for name in declared})
        self.assertEqual(len(declared), 15)

    def test_it_needs_neither_torch_nor_mpi_nor_hdf5(self):
        needed = run("ldd", self.library)
        self.assertIn("libcrypto", needed)
        self.assertIsNone(re.search("torch|libmpi|open-rte|hdf5|not found", needed), needed)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
