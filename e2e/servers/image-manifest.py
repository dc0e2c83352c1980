"""Writes DIR/manifest.json.  usage: image-manifest.py DIR BOOT_MARK"""
import hashlib
import json
import os
import subprocess
import sys

WHY = {
    'backing-passwd.qcow2': 'backing file /etc/passwd',
    'backing-json.qcow2': 'backing file json: naming /etc/shadow',
    'backing-nbd.qcow2': 'backing file on the network',
    'backing-relative.qcow2': 'relative backing file',
    'datafile-passwd.qcow2': 'external data file //etc/passwd',
    'flat-passwd.vmdk': 'flat extent /etc/passwd',
    'embedded-flat-passwd.vmdk': 'embedded descriptor with the flat extent /etc/passwd',
    'qcow2-declared-raw.raw': 'qcow2 with a backing file, to be declared raw',
    'polyglot-qcow2-iso.iso': 'qcow2 header with a backing file in the system area of an ISO',
    'sparse-1tib.qcow2': '1 TiB virtual in 200 KiB',
    'sparse-1tib.raw': '1 TiB of holes',
}
NOT_BOOTABLE = ('-flat.vmdk', '.gz', '.xz', '.luks', '.ova')
base, mark = sys.argv[1:]


def digests(path):
    sums = [hashlib.new(name) for name in ('sha256', 'sha512', 'md5')]
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            for one in sums:
                one.update(block)
    return {one.name: one.hexdigest() for one in sums}


def probe(path):
    """qemu-img can crash on hostile headers, so it runs under limits and may fail"""
    command = ['prlimit', '--as=2000000000', '--cpu=10', 'qemu-img', 'info', '-U', '--output=json']
    result = subprocess.run([*command, path], capture_output=True, text=True, check=False)
    try:
        info = json.loads(result.stdout)
    except ValueError:
        return {'qemu-error': result.stderr.strip().replace(base, 'DIR')[:200]}
    found = {k: info[k] for k in ('format', 'virtual-size', 'backing-filename') if k in info}
    data = info.get('format-specific', {}).get('data', {})
    wanted = ('data-file', 'create-type', 'compression-type', 'compat')
    return {'qemu': found | {k: data[k] for k in wanted if k in data}}


def describe(kind, name):
    path = f'{base}/{kind}/{name}'
    size = os.stat(path).st_size
    entry = {'path': f'{kind}/{name}', 'size': size}
    if size < 1 << 33:
        entry |= digests(path)
    entry |= probe(path)
    entry['boots'] = kind == 'good' and name.startswith('disk') and not name.endswith(NOT_BOOTABLE)
    if name in WHY:
        entry['why'] = WHY[name]
    return entry


images = [
    describe(kind, name) for kind in ('good', 'hostile') for name in sorted(os.listdir(f'{base}/{kind}'))
]
with open(f'{base}/manifest.json', 'w', encoding='utf8') as file:
    json.dump({'mark': mark, 'images': images}, file, indent=1)
print(len(images), 'images', file=sys.stderr)
