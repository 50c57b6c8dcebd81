#!/usr/bin/env bash
# Brings what the tests of exported files run on. Without it they are left out, one by one.
# Needs root and apt; about 300 MB and two minutes.
#   gcc g++                 compile the C file, as every export to .c does, and a C++ program with it
#   nodejs                  runs JavaScript and WebAssembly
#   clang-19 lld-19         make WebAssembly, and compile the C file a second way
#   gcc-arm-none-eabi       the object for a Cortex-M: its size, and whole images
#   qemu-system-arm         boards with a Cortex-M0, M3 and M4, which run those images
#   gcc-*-linux-*, libc6-*  programs for 32-bit ARM, 64-bit RISC-V and big-endian PowerPC
#   qemu-user               runs them
#   chromium                opens the page
set -euo pipefail
packages=(
  gcc g++ nodejs clang-19 lld-19 gcc-arm-none-eabi qemu-system-arm qemu-user
  gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
  gcc-riscv64-linux-gnu libc6-dev-riscv64-cross
  gcc-powerpc-linux-gnu libc6-dev-powerpc-cross
  chromium
)
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "no apt, or not root: the tests of exported files run with what is installed"
  exit 0
fi
if dpkg -s "${packages[@]}" >/dev/null 2>&1; then exit 0; fi
export DEBIAN_FRONTEND=noninteractive
# Five minutes at most, and never a reason to fail: a missing tool leaves out its tests.
timeout 60 apt-get update -qq || exit 0
known=()
for package in "${packages[@]}"; do
  apt-cache show "$package" >/dev/null 2>&1 && known+=("$package")
done
[ "${#known[@]}" -gt 0 ] || exit 0
timeout 240 apt-get install -y -qq --no-install-recommends "${known[@]}" >/dev/null ||
  echo "apt did not bring everything: some tests of exported files are left out"
