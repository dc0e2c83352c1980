#!/usr/bin/python3
"""Runs command lines of the Python clients of OpenStack without waiting for their imports each time.

Each command is a process of its own, forked from this one, which has imported the clients already; in it
the installed script itself is run. Prints the path of a Unix socket. A connection is one command: a line of
JSON, {"script": path, "args": [text], "env": {name: value}, "terminal": boolean} or the same with a "program" in
place of the "script", answered by {"code": number, "stdout": text, "stderr": text}. Ends with its standard
input.
"""
import contextlib
import gc
import importlib.metadata
import json
import os
import runpy
import signal
import socketserver
import sys
import tempfile
import threading
import traceback

import cliff.command
import keystoneauth1.loading
import openstack.connection
import openstackclient.shell
import stevedore._cache

try:
    import glanceclient.shell
    import glanceclient.v2.client
except ImportError:
    pass  # an older client, which only its own tests need

SECONDS = 60

# what is installed does not change meanwhile: the plugins, and the commands, all of which are loaded by
# each of them; `glanceclient.v2.shell` is left to each command, as it reads the home of its caller while it
# is imported
for group in ('cliff.formatter.list', 'cliff.formatter.show'):
    stevedore._cache.get_group_all(group)
for group in importlib.metadata.entry_points().groups:
    if group.startswith('openstack.'):
        for command in stevedore._cache.get_group_all(group):
            with contextlib.suppress(Exception):
                command.load()
cliff.command._get_distribution_for_module(openstackclient.shell)
# imports the plugins of authentication, which every command asks for their options
openstackclient.shell.OpenStackShell()
# collecting garbage writes to all objects, so each command would copy the memory that it shares
gc.collect()
gc.freeze()
gc.disable()


def run(request):
    """Exit code of the command."""
    try:
        if 'program' in request:
            sys.argv = ['-c', *request['args']]
            exec(compile(request['program'], '<string>', 'exec'), {'__name__': '__main__'})
        else:
            sys.argv = [request['script'], *request['args']]
            runpy.run_path(request['script'], run_name='__main__')
        return 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 255
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1


class Command(socketserver.StreamRequestHandler):
    def handle(self):
        request = json.loads(self.rfile.readline())
        signal.alarm(SECONDS)
        os.environ.clear()
        os.environ.update(request['env'])
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            for target, number in ((out, 1), (err, 2)):
                os.dup2(target.fileno(), number)
            terminal = request.get('terminal', False)
            os.dup2(os.openpty()[1] if terminal else os.open(os.devnull, os.O_RDONLY), 0)
            sys.stdin = open(0, closefd=False)
            code = run(request)
            sys.stdout.flush()
            sys.stderr.flush()
            texts = {'stdout': out, 'stderr': err}
            for name, file in texts.items():
                file.seek(0)
                texts[name] = file.read().decode(errors='replace')
        self.wfile.write(json.dumps({'code': code, **texts}).encode())


class Host(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 64


def main():
    with tempfile.TemporaryDirectory() as folder, Host(f'{folder}/socket', Command) as host:
        print(host.server_address, flush=True)

        def end():
            while os.read(0, 4096):
                pass
            host.shutdown()

        threading.Thread(target=end, daemon=True).start()
        host.serve_forever(poll_interval=0.1)


main()
