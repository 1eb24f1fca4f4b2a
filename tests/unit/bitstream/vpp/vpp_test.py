#!/usr/bin/env python3
"""Runs the v++ recipe of bitstreams/ against a stand-in for v++, and the verbs of phalanx-xclbin."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

OPTIONS = argparse.Namespace()
HERE = pathlib.Path(__file__).resolve().parent
TIME_LIMIT_S = 60
PLATFORMS = {"u55c": "xilinx_u55c_gen3x16_xdma_3_202210_1", "u280": "xilinx_u280_gen3x16_xdma_1_202211_1",
             "u250": "xilinx_u250_gen3x16_xdma_4_1_202210_1"}


def run(*command: str, env: dict | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False,
                          env={**os.environ, **(env or {})})


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="phalanx-vpp-"))
        self.addCleanup(shutil.rmtree, self.folder)


class Recipe(Folder):
    def configure(self, platform: str, *options: str, vpp: bool = True):
        self.env = {"STANDIN_LOG": str(self.folder / "log"), "STANDIN_XCLBIN": OPTIONS.xclbin,
                    "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}" if vpp else os.environ["PATH"]}
        return run("cmake", "-G", "Ninja", "-S", str(HERE), "-B", str(self.folder / "build"), f"-DPHALANX_ROOT={OPTIONS.source}",
                   f"-DPHALANX_PLATFORM={platform}", f"-DPHALANX_TOOL={OPTIONS.tool}", *options, env=self.env)

    def build(self, platform: str, **env: str):
        return run("cmake", "--build", str(self.folder / "build"), "--target", f"phalanx_bitstream_{platform}",
                   env={**self.env, **env})

    def calls(self):
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    def test_each_card_is_compiled_kernel_by_kernel_linked_and_described(self):
        for platform, name in PLATFORMS.items():
            with self.subTest(platform):
                shutil.rmtree(self.folder)
                self.folder.mkdir()
                configured = self.configure(platform)
                self.assertEqual(configured.returncode, 0, configured.stderr)
                built = self.build(platform)
                self.assertEqual(built.returncode, 0, built.stdout + built.stderr)
                calls = self.calls()
                self.assertEqual(len(calls), 4)
                for call in calls:
                    self.assertEqual(call[call.index("--platform") + 1], name)
                    self.assertEqual(call[call.index("--target") + 1], "hw")
                compiled = {call[call.index("--kernel") + 1] for call in calls[:3]}
                self.assertEqual(compiled, {"session_engine", "state_delta", "esp_crypto"})
                self.assertEqual(calls[3][0], "--link")
                manifest = json.loads((self.folder / f"build/{platform}-hw/phalanx-{platform}.manifest").read_text())
                self.assertIn(platform, manifest["platform"])

    def test_nothing_is_done_twice(self):
        self.configure("u55c")
        self.build("u55c")
        self.build("u55c")
        self.assertEqual(len(self.calls()), 4)

    def test_the_target_is_passed_on(self):
        self.configure("u280", "-DPHALANX_VPP_TARGET=hw_emu")
        built = self.build("u280")
        self.assertEqual(built.returncode, 0, built.stdout + built.stderr)
        self.assertTrue(all(call[call.index("--target") + 1] == "hw_emu" for call in self.calls()))

    def test_what_was_made_for_another_card_gets_no_manifest(self):
        self.configure("u250")
        built = self.build("u250", STANDIN_VBNV="xilinx_u200_xdma_201830_2")
        self.assertNotEqual(built.returncode, 0)
        self.assertIn('m_platformVBNV: "xilinx_u200_xdma_201830_2" is no platform', built.stdout + built.stderr)

    def test_errors_say_what_is_wrong(self):
        cases = [(("u200",), {}, "there is no such platform; known are u250, u280, u55c"),
                 (("u55c", "-DPHALANX_VPP_TARGET=sw_emu"), {}, "PHALANX_VPP_TARGET=sw_emu: it is hw or hw_emu")]
        if not shutil.which("v++"):
            cases.append((("u55c",), {"vpp": False}, "needs v++ on the PATH"))
        for arguments, named, message in cases:
            with self.subTest(message):
                shutil.rmtree(self.folder / "build", ignore_errors=True)
                configured = self.configure(*arguments, **named)
                self.assertNotEqual(configured.returncode, 0)
                self.assertIn(message, " ".join(configured.stderr.split()))


class Tool(Folder):
    def setUp(self):
        super().setUp()
        self.xclbin = self.folder / "a.xclbin"
        shutil.copy(OPTIONS.xclbin, self.xclbin)
        shutil.copy(OPTIONS.xclbin.replace(".xclbin", ".manifest"), self.folder / "a.manifest")
        self.key, self.public = str(self.folder / "key.pem"), str(self.folder / "public.pem")
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key)
        run("openssl", "pkey", "-in", self.key, "-pubout", "-out", self.public)

    def tool(self, *arguments: str):
        return run(OPTIONS.tool, *arguments)

    def test_sign_and_inspect(self):
        unsigned = self.tool("inspect", str(self.xclbin), "--keys", self.public)
        self.assertEqual((unsigned.returncode, unsigned.stdout), (1, ""))
        self.assertIn("a.manifest: signature: is missing", unsigned.stderr)
        self.assertEqual(self.tool("sign", "--key", self.key, str(self.xclbin)).returncode, 0)
        first = (self.folder / "a.manifest").read_bytes()
        self.assertEqual(self.tool("sign", "--key", self.key, str(self.xclbin)).returncode, 0)
        self.assertEqual((self.folder / "a.manifest").read_bytes(), first, "Ed25519 has no randomness")
        signed = self.tool("inspect", str(self.xclbin), "--keys", self.public)
        self.assertEqual(signed.returncode, 0, signed.stderr)
        self.assertIn("trusted    yes", signed.stdout)
        self.assertIn("session_engine:session_engine_1 at 0x1800000", signed.stdout)

    def test_openssl_agrees_with_the_signature(self):
        self.tool("sign", "--key", self.key, str(self.xclbin))
        manifest = json.loads((self.folder / "a.manifest").read_text())
        lines = ["phalanx bitstream 1", f"abi_version {manifest['abi_version']}", f"platform {manifest['platform']}"]
        lines += [f"kernel {k['name']} {k['version']} {k['compute_units']}" for k in manifest["kernels"]]
        lines += [f"xclbin_sha256 {manifest['xclbin_sha256']}", ""]
        (self.folder / "text").write_text("\n".join(lines))
        (self.folder / "signature").write_bytes(bytes.fromhex(manifest["signature"]))
        verified = run("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", self.public, "-rawin", "-in",
                       str(self.folder / "text"), "-sigfile", str(self.folder / "signature"))
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_a_damaged_file_is_not_signed(self):
        with open(self.xclbin, "r+b") as file:
            file.seek(5000)
            file.write(b"?")
        refused = self.tool("sign", "--key", self.key, str(self.xclbin))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("a.xclbin: sha256: ", refused.stderr)

    def test_files_that_are_not_there_are_named(self):
        for arguments in (("inspect", "none.xclbin"), ("manifest", "none.xclbin"),
                          ("sign", "--key", self.key, "none.xclbin"), ("sign", "--key", "none.pem", str(self.xclbin)),
                          ("inspect", str(self.xclbin), "--keys", "none.pem"),
                          ("write", "--library", "none.so", "--output", str(self.folder / "b.xclbin"))):
            with self.subTest(arguments):
                refused = self.tool(*arguments)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("none.", refused.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--source", "--tool", "--xclbin"):
        parser.add_argument(option, required=True)
    parser.parse_args(namespace=OPTIONS)
    unittest.main(argv=sys.argv[:1])
