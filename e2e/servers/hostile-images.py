"""Writes hostile images into the current directory, from the good ones in ../good.

usage: hostile-images.py NAME   (NAME: the data file that named.qcow2 names, twelve characters)
"""
import gzip
import io
import struct
import sys
import tarfile
import zipfile


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write(path, data):
    with open(path, 'wb') as file:
        file.write(data)


def patched(source, *changes):
    """source with (offset, struct format, values...) written over it"""
    data = bytearray(source)
    for offset, layout, *values in changes:
        struct.pack_into(layout, data, offset, *values)
    return bytes(data)


def headers_of_qcow2():
    good = read('../good/disk.qcow2')
    write('truncated.qcow2', good[: len(good) // 2])
    for size, name in ((512, 'header-only'), (40, 'short-header'), (4, 'magic-only')):
        write(f'{name}.qcow2', good[:size])
    extensions = struct.unpack_from('>I', good, 100)[0]
    for name, *change in (
        ('version-1', 4, '>I', 1),
        ('version-99', 4, '>I', 99),
        ('backing-name-4gib', 8, '>QI', 0x200, 0xFFFFFFFF),
        ('backing-offset-outside', 8, '>QI', 1 << 60, 11),
        ('cluster-bits-63', 20, '>I', 63),
        ('size-8eib', 24, '>Q', (1 << 63) - 1),
        ('size-16eib', 24, '>Q', (1 << 64) - 1),
        ('size-zero', 24, '>Q', 0),
        ('encrypted-flag', 32, '>I', 2),
        ('l1-outside', 36, '>IQ', 0x7FFFFFFF, 1 << 50),
        ('snapshots-4g', 60, '>IQ', 0xFFFFFFFF, 0x10000),
        ('unknown-incompatible', 72, '>Q', 1 << 63),
        ('header-length-4gib', 100, '>I', 0xFFFFFFFF),
        ('extension-4gib', extensions, '>II', 0x6803F857, 0xFFFFFFFF),
    ):
        write(f'{name}.qcow2', patched(good, change))
    named = read('named.qcow2')
    name = sys.argv[1].encode()
    assert len(name) == 12 and name in named
    write('datafile-passwd.qcow2', named.replace(name, b'//etc/passwd'))
    write('qcow2-declared-raw.raw', read('backing-passwd.qcow2'))


def other_disks():
    extent = (
        b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n'
        b'createType="monolithicFlat"\n\n# Extent description\nRW %d FLAT "/etc/passwd" 0\n\n'
        b'# The Disk Data Base\nddb.virtualHWVersion = "4"\nddb.geometry.cylinders = "2"\n'
        b'ddb.geometry.heads = "16"\nddb.geometry.sectors = "63"\nddb.adapterType = "ide"\n'
    )
    write('flat-passwd.vmdk', extent % 2048)
    sparse = read('../good/disk-sparse.vmdk')
    start = sparse.index(b'# Disk DescriptorFile')
    end = start + 20 * 512
    embedded = (extent % 32768).ljust(end - start, b'\0')
    write('embedded-flat-passwd.vmdk', sparse[:start] + embedded + sparse[end:])
    write('capacity-absurd.vmdk', patched(sparse, (12, '<Q', 1 << 62)))
    write('descriptor-outside.vmdk', patched(sparse, (28, '<QQ', 1 << 40, 1 << 40)))
    vdi = read('../good/disk.vdi')
    write('size-absurd.vdi', patched(vdi, (0x170, '<Q', 1 << 62)))
    write('blocks-4g.vdi', patched(vdi, (0x180, '<I', 0xFFFFFFFF)))
    vhd = bytearray(read('../good/disk-dynamic.vhd'))
    for at in (0, len(vhd) - 512):  # both copies of the footer, with the right checksum
        struct.pack_into('>QQ', vhd, at + 40, 1 << 62, 1 << 62)
        struct.pack_into('>I', vhd, at + 64, 0)
        struct.pack_into('>I', vhd, at + 64, ~sum(vhd[at : at + 512]) & 0xFFFFFFFF)
    write('size-absurd.vhd', bytes(vhd))
    vhdx = read('../good/disk.vhdx')
    garbage = b'regi' + b'\xff' * 65532
    write('region-table-garbage.vhdx', vhdx[: 192 * 1024] + garbage + vhdx[256 * 1024 :])
    # an ISO (its magic stands at 32769) whose free system area begins with a qcow2 header
    iso, header = bytearray(read('../good/ipxe.iso')), read('small.qcow2')
    assert len(header) <= 32768
    iso[: len(header)] = header
    write('polyglot-qcow2-iso.iso', bytes(iso))
    write('empty.raw', b'')
    write('one-byte.raw', b'\0')
    write('script.raw', b'#!/bin/sh\necho this is no image\n')
    write('html.raw', b'<html><script>alert(1)</script></html>')


def archives():
    regular, link = tarfile.REGTYPE, tarfile.SYMTYPE

    def tar(name, *members):
        with tarfile.open(name, 'w', format=tarfile.USTAR_FORMAT) as archive:
            for path, data, kind, target in members:
                member = tarfile.TarInfo(path)
                member.type, member.linkname, member.size = kind, target, len(data)
                archive.addfile(member, io.BytesIO(data))

    def ovf(href):
        return (
            '<?xml version="1.0"?><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
            'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>'
            f'<File ovf:href="{href}" ovf:id="f"/></References></Envelope>'
        ).encode()

    up = '../../../../tmp/tank-evil'
    tar('traversal.ova', ('x.ovf', ovf(up), regular, ''), (up, b'evil', regular, ''))
    outside = '/tmp/tank-evil'
    tar('absolute.ova', ('x.ovf', ovf(outside), regular, ''), (outside, b'evil', regular, ''))
    tar('symlink.ova', ('x.ovf', ovf('d.vmdk'), regular, ''), ('d.vmdk', b'', link, '/etc/passwd'))
    entity = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    tar('xxe.ova', ('x.ovf', entity + b'<Envelope>&e;</Envelope>', regular, ''))
    laughs = '<!DOCTYPE l [<!ENTITY a0 "lol">'
    for depth in range(1, 10):
        laughs += f'<!ENTITY a{depth} "' + f'&a{depth - 1};' * 10 + '">'
    bomb = f'<?xml version="1.0"?>{laughs}]><Envelope>&a9;</Envelope>'.encode()
    tar('billion-laughs.ova', ('x.ovf', bomb, regular, ''))
    member = bytearray(read('absolute.ova'))
    member[124:136] = b'77777777777\0'
    total = sum(member[:148]) + 8 * 32 + sum(member[156:512])
    member[148:156] = b'%06o\0 ' % total
    write('member-8gib.ova', bytes(member))
    with open('bomb-1gib.gz', 'wb') as file, gzip.GzipFile('', 'wb', 9, file, 0) as packed:
        for _ in range(1024):
            packed.write(bytes(1 << 20))
    write('bomb-nested.gz.gz', gzip.compress(read('bomb-1gib.gz'), 9, mtime=0))
    with zipfile.ZipFile('bomb-256mib.zip', 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        packed.writestr('d0.raw', bytes(256 << 20))
    with zipfile.ZipFile('traversal.zip', 'w') as packed:
        packed.writestr(up, 'evil')


headers_of_qcow2()
other_disks()
archives()
