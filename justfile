# List the recipes.
default:
    just --list

# Everything CI runs. Needs no hardware; installs outside tools when run as root (see .ci/run).
ci:
    bash .ci/run

# Formatting, lints and documentation, as CI checks them.
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Unit, property, snapshot and virtual-DK tests.
test *args:
    cargo test --workspace {{args}}

# Every scenario on firmware that breaks what it is about: prints what was found, and how many were caught.
mutation *args:
    cargo test -p dfu-hil --test mutations -- {{args}}

# The scenario library on the virtual rig; arguments go to `dfu-hil run`.
run *args:
    cargo run --release -- run {{args}}

# Kills either of two runners on one rack, a hundred times at moments that seeds choose: with boards of their own, and when both want
# the same. Arguments go to the tests: `just kills 100 of_two_runners`. About half an hour.
kills count="100" *args:
    DFU_HIL_KILLS={{count}} cargo test -p dfu-hil --test killed -- --nocapture {{args}}

# Benchmarks: prints numbers, asserts nothing. Other tools are measured beside ours where they are on the path or in the
# folder DFU_HIL_PEERS. About ten minutes; the numbers are worth what else the machine does meanwhile.
bench:
    cargo bench -p hil-smp --bench upload
    cargo bench -p hil-rig --bench program
    cargo bench -p dfu-hil --bench process
    cargo bench -p dfu-hil --bench ble
    cargo bench -p virtual-dk --bench throughput
    cargo bench -p hil-bootloader --bench sweep
    cargo bench -p hil-report --bench large

# The library on 16 and on 64 virtual boards: time against the least possible, and what runner and boards take of the machine.
# About a quarter of an hour.
bench-rack *boards:
    cargo bench -p dfu-hil --bench rack -- {{boards}}

# Scenarios on six virtual DKs that a real kernel has on its USB and Bluetooth, in a small VM. Needs Debian, QEMU, binutils and cpio;
# no root, no KVM. See docs/hardware.md.
bench-vm *args:
    tools/bench-vm/run {{args}}

# Compares what J-Link and CMSIS-DAP do to the chip in that VM with what the virtual rig's own probe does (docs/hardware.md).
bench-vm-probes:
    tools/bench-vm/run --probes

# Pulls the USB cable of a board in that VM at moments that a seed chooses, while it is programmed and while it is sent an update: each must
# be an error with its cause, and the next scenario must pass. About a minute for each.
bench-vm-unplug seed="1" count="20":
    tools/bench-vm/run --unplug {{seed}} {{count}}

# Licences, banned crates and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check bans licenses sources
