#!/usr/bin/env bash
# Small, real VM images in every format, and hostile ones, made from Debian's packages.
#
#   images.sh start|boot-check|status|env|stop [DIR]     DIR: /tmp/tank-servers/images
#   images.sh boot FILE FORMAT                           boots one file, prints the time to the marker
#
# DIR/good/          a BIOS disk (MBR, GRUB, ext4) that prints TANK-BOOT-OK on its serial port and
#                    powers off, as raw, qcow2, vmdk, vdi, vhd, vhdx, qed, iso, ova and some others
# DIR/hostile/       what a server must refuse or contain; nothing in it is dangerous at rest
# DIR/manifest.json  of each file: size, digests, what qemu-img says, whether it boots, why it is hostile
# They are made once (DIR/.ready holds the version of this recipe); stop removes nothing.
set -euo pipefail
NAME=images
DIR=${2:-/tmp/tank-servers/images}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"
RECIPE=1
MARK=TANK-BOOT-OK
PACKAGES=(qemu-utils qemu-system-x86 grub-pc-bin grub-common xorriso mtools e2fsprogs fdisk python3
  memtest86+ ipxe grub-rescue-pc xz-utils)

print_env() {
  echo "export TANK_TEST_IMAGES=$DIR"
  echo "export TANK_TEST_BOOT_MARK=$MARK"
}

boot() { # boot FILE FORMAT [SECONDS]
  local drive="file=$1,format=$2,if=ide,snapshot=on" serial began pid outcome=1
  [ "$2" != iso ] || drive="file=$1,format=raw,if=ide,media=cdrom,readonly=on"
  serial=$(mktemp)
  began=$(date +%s%N)
  qemu-system-x86_64 -accel tcg -m 256 -nodefaults -no-user-config -display none -net none \
    -no-reboot -serial "file:$serial" -drive "$drive" >/dev/null 2>"$serial.err" &
  pid=$!
  for _ in $(seq $((${3:-60} * 10))); do
    if grep -qa "$MARK" "$serial"; then outcome=0; break; fi
    if ! kill -0 $pid 2>/dev/null; then
      sleep 0.2
      ! grep -qa "$MARK" "$serial" || outcome=0
      break
    fi
    sleep 0.1
  done
  kill $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if [ $outcome = 0 ]; then
    echo "$((($(date +%s%N) - began) / 1000000)) ms"
  else
    echo "no marker: $(head -c 200 "$serial.err")"
  fi
  rm -f "$serial" "$serial.err"
  return $outcome
}

disk() { # disk OUT MIB ROOT: MBR, GRUB and one ext4 partition holding ROOT; no loop device, no mount
  local out=$1 mib=$2 root=$3 work
  work=$(mktemp -d)
  : >"$work/part"
  mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum -L tank \
    -U 5e7e5e7e-0000-4000-8000-00000000000a -d "$root" "$work/part" $((mib - 1))M
  grub-mkimage -O i386-pc -o "$work/core.img" -p '(hd0,msdos1)/boot/grub' \
    biosdisk part_msdos ext2 normal configfile serial terminal echo halt ls cat
  truncate -s "${mib}M" "$out"
  dd if=/usr/lib/grub/i386-pc/boot.img of="$out" bs=440 count=1 conv=notrunc status=none
  dd if="$work/core.img" of="$out" bs=512 seek=1 conv=notrunc status=none
  dd if="$work/part" of="$out" bs=1M seek=1 conv=notrunc,sparse status=none
  printf 'label: dos\nlabel-id: 0x7a6e6b00\n2048,,83,*\n' |
    sfdisk -q --no-reread --no-tell-kernel "$out" >/dev/null 2>&1
  rm -rf "$work"
}

ova() { # ova OUT VMDK: ustar of .ovf, .mf and .vmdk; the .ovf has to come first
  local out=$1 vmdk=$2 work f
  work=$(mktemp -d)
  cp "$vmdk" "$work/tank-disk1.vmdk"
  sed "s/@SIZE@/$(stat -c %s "$vmdk")/" "$HERE/tank.ovf" >"$work/tank.ovf"
  for f in tank.ovf tank-disk1.vmdk; do
    echo "SHA256($f)= $(sha256sum "$work/$f" | cut -c1-64)"
  done >"$work/tank.mf"
  tar -C "$work" --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@1700000000 \
    -cf "$out" tank.ovf tank.mf tank-disk1.vmdk
  rm -rf "$work"
}

good() {
  local g=$DIR/good work
  work=$(mktemp -d)
  mkdir -p "$g" "$work/root/boot/grub" "$work/root/tank" "$work/iso/boot/grub"
  cat >"$work/root/boot/grub/grub.cfg" <<EOF
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
echo "$MARK disk"
cat /tank/hello
halt
EOF
  echo 'hello from the ext4 partition' >"$work/root/tank/hello"
  # 3 MiB that do not compress and are the same on every machine
  python3 -c '
import hashlib, sys
for i in range(3 * 1048576 // 64):
    sys.stdout.buffer.write(hashlib.sha512(b"tank%d" % i).digest())' >"$work/root/tank/payload.bin"
  cp "$work/root/tank/payload.bin" "$work/iso/payload.bin"
  disk "$g/disk.raw" 16 "$work/root"
  to() { qemu-img convert -f raw "$g/disk.raw" -O "$@"; }
  to qcow2 "$g/disk.qcow2"
  to qcow2 -c "$g/disk-compressed.qcow2"
  to qcow2 -c -o compression_type=zstd "$g/disk-compressed-zstd.qcow2"
  to qcow2 -o compat=0.10 "$g/disk-v2.qcow2"
  to qcow2 "$g/disk-snapshot.qcow2"
  qemu-img snapshot -c first "$g/disk-snapshot.qcow2"
  to vmdk -o subformat=streamOptimized "$g/disk-stream.vmdk"
  to vmdk -o subformat=monolithicSparse "$g/disk-sparse.vmdk"
  # writes the descriptor and, beside it, disk-flat2-flat.vmdk
  (cd "$g" && qemu-img convert -f raw disk.raw -O vmdk -o subformat=monolithicFlat disk-flat2.vmdk)
  to vdi "$g/disk.vdi"
  to vpc -o subformat=dynamic,force_size=on "$g/disk-dynamic.vhd"
  to vpc -o subformat=fixed,force_size=on "$g/disk-fixed.vhd"
  to vhdx -o block_size=1M "$g/disk.vhdx"
  to qed "$g/disk.qed"
  to parallels "$g/disk.hdd"
  printf tankpass >"$work/key"
  qemu-img convert --object "secret,id=s,file=$work/key" -f raw -O luks \
    -o key-secret=s,iter-time=10 "$g/disk.raw" "$g/disk.luks" 2>/dev/null || rm -f "$g/disk.luks"
  gzip -9nc "$g/disk.raw" >"$g/disk.raw.gz"
  xz -9 -T1 -c "$g/disk.raw" >"$g/disk.raw.xz" 2>/dev/null
  truncate -s 4M "$g/gpt.raw"
  printf 'label: gpt\n2048,,L\n' | sfdisk -q --no-reread --no-tell-kernel "$g/gpt.raw" >/dev/null
  # ISO 9660 with El Torito, bootable as a disk too
  sed "s/$MARK disk/$MARK iso/; /cat/d" "$work/root/boot/grub/grub.cfg" >"$work/iso/boot/grub/grub.cfg"
  grub-mkrescue -d /usr/lib/grub/i386-pc --modules='serial terminal echo halt' -o "$g/disk.iso" \
    "$work/iso" >"$work/mkrescue.log" 2>&1 || { tail -5 "$work/mkrescue.log" >&2; die grub-mkrescue; }
  ova "$g/disk.ova" "$g/disk-stream.vmdk"
  cp -L /usr/lib/memtest86+/memtest86+x64.iso /usr/lib/ipxe/ipxe.iso /usr/lib/ipxe/ipxe.lkrn \
    /usr/lib/grub-rescue/grub-rescue-floppy.img "$g/"
  rm -rf "$work"
}

hostile() {
  mkdir -p "$DIR/hostile"
  cd "$DIR/hostile"
  local raw=(qemu-img create -q -f qcow2 -F raw -u) secret
  "${raw[@]}" -b /etc/passwd backing-passwd.qcow2 1M
  "${raw[@]}" -o cluster_size=512 -b /etc/passwd small.qcow2 1M
  "${raw[@]}" -b 'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}}' backing-json.qcow2 1M
  "${raw[@]}" -b 'nbd://127.0.0.1:1/x' backing-nbd.qcow2 1M
  "${raw[@]}" -b ../good/disk.raw backing-relative.qcow2 16M
  # qemu-img makes the data file that a header names: made under a name of the same length, then renamed in the header
  secret=/tmp/tk$(printf '%05d' $((RANDOM % 100000))) # twelve characters
  qemu-img create -q -f qcow2 -o data_file="$secret",data_file_raw=on named.qcow2 1M
  rm -f "$secret"
  qemu-img create -q -f qcow2 sparse-1tib.qcow2 1T
  qemu-img create -q -f qcow2 -o cluster_size=2M sparse-1eib.qcow2 1E 2>/dev/null || rm -f sparse-1eib.qcow2
  truncate -s 1T sparse-1tib.raw 2>/dev/null || rm -f sparse-1tib.raw
  python3 "$HERE/hostile-images.py" "$secret"
  rm -f named.qcow2 small.qcow2
  cd /
}

start() {
  need_pkgs "${PACKAGES[@]}"
  mkdir -p "$DIR"
  DIR=$(cd "$DIR" && pwd)
  if [ "$(cat "$DIR/.ready" 2>/dev/null)" != $RECIPE ]; then
    rm -rf "$DIR/good" "$DIR/hostile" "$DIR/.ready"
    good
    hostile
    python3 "$HERE/image-manifest.py" "$DIR" "$MARK"
    echo $RECIPE >"$DIR/.ready"
  fi
  print_env
}
boot_check() {
  local path format outcome=0 said
  while read -r path format; do
    said=$(boot "$DIR/$path" "$format") || outcome=1
    printf '%-36s %-8s %s\n' "$path" "$format" "$said"
  done < <(python3 -c '
import json, sys
for i in json.load(open(sys.argv[1]))["images"]:
    if i["boots"]:
        print(i["path"], "iso" if i["path"].endswith(".iso") else i["qemu"]["format"])' "$DIR/manifest.json")
  return $outcome
}
status() { if [ "$(cat "$DIR/.ready" 2>/dev/null)" = $RECIPE ]; then say 'images: made'; else say 'images: not made'; return 3; fi; }
case ${1:-} in
  start) start ;;
  stop) ;;
  status) status ;;
  env) print_env ;;
  boot-check) boot_check ;;
  boot) boot "$2" "${3:-raw}" ;;
  *) die "usage: $0 start|boot-check|status|env|stop [DIR] | boot FILE FORMAT" ;;
esac
