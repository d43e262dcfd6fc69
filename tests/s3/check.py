"""check.py SERVER DIR: starts an S3 server and SERVER, and looks at what comes to be there. A line for each check."""

import base64
import hashlib
import http.client
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

import boto3
import redis

SERVER, DIR = sys.argv[1], sys.argv[2]
BUCKET, KEY = "backups", "eu/dump.rdb"
SOON_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition):
    end = time.monotonic() + SOON_S
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (redis.ConnectionError, OSError):
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {SOON_S} s: {what}")


S3_PORT = free_port()
ENDPOINT = f"http://127.0.0.1:{S3_PORT}"
ENV = dict(os.environ, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="eu-central-1",
           AWS_ENDPOINT_URL=ENDPOINT, AWS_EC2_METADATA_DISABLED="true")
moto = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "moto_server"), "-H", "127.0.0.1", "-p", str(S3_PORT)],
                        stdout=subprocess.DEVNULL, stderr=open(os.path.join(DIR, "moto.log"), "w"))
s3 = boto3.client("s3", endpoint_url=ENDPOINT, region_name="eu-central-1", aws_access_key_id="key",
                  aws_secret_access_key="secret")
nodes = []


class Node:
    """A server in a directory of its own."""

    def __init__(self, name, *options, key=KEY):
        self.dir, self.port = os.path.join(DIR, name), free_port()
        os.makedirs(self.dir, exist_ok=True)
        self.log = os.path.join(self.dir, "log")
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir, "--save", "",
                 "--enable-debug-command", "yes", "--db-s3-object", f"s3://{BUCKET}/{key}", *options]
        self.process = subprocess.Popen([SERVER, *words], env=ENV, stdout=open(self.log, "a"), stderr=subprocess.STDOUT)
        self.client = redis.Redis(port=self.port)
        nodes.append(self)

    def up(self):
        wait_until("the server answers", lambda: self.process.poll() is not None or self.client.ping())
        assert self.process.poll() is None, open(self.log).read()
        return self

    def info(self, field):
        return self.client.info("persistence")[field]

    def save(self):
        """Saves, and returns when that has been sent."""
        before = self.info("s3_uploads") + self.info("s3_upload_failures")
        self.client.save()
        wait_until("the snapshot is sent", lambda: self.info("s3_uploads") + self.info("s3_upload_failures") > before)
        assert self.info("s3_last_upload_status") == "ok", self.info("s3_last_error")

    def file(self):
        return open(os.path.join(self.dir, "dump.rdb"), "rb").read()

    def digest(self):
        return self.client.execute_command("DEBUG DIGEST")

    def kill(self):
        self.process.kill()
        self.process.wait()


def stored(key=KEY):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys():
    return sorted(o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))


def restore(*options):
    words = [SERVER, "restore", "--from", f"s3://{BUCKET}/{KEY}", *options]
    return subprocess.run(words, env=ENV, capture_output=True, text=True, timeout=SOON_S)


def a_start_without_an_object_is_empty():
    node = Node("empty").up()
    assert node.client.dbsize() == 0 and "starting empty" in open(node.log).read()
    node.kill()


class Flaky(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the storage, but not the first ones; looks at the checksum of each piece of data."""

    protocol_version = "HTTP/1.1"
    refused, checked = 0, 0

    def log_message(self, *_):
        pass

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "PUT":
            stated = self.headers["x-amz-checksum-sha256"]
            assert stated == base64.b64encode(hashlib.sha256(body).digest()).decode(), self.headers
            Flaky.checked += 1
        if self.command != "GET" and Flaky.refused < 4:
            Flaky.refused += 1
            if Flaky.refused == 2:
                self.close_connection = True
                return
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        to = http.client.HTTPConnection("127.0.0.1", S3_PORT)
        to.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k.lower() != "connection"})
        answer = to.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        head = self.command == "HEAD"
        self.send_header("Content-Length", answer.getheader("Content-Length") if head else str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do


def what_is_refused_is_tried_again_and_all_bears_its_checksum():
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    node = Node("flaky", "--db-s3-endpoint", f"http://127.0.0.1:{proxy.server_port}", key="eu/flaky.rdb").up()
    noise = os.urandom(1 << 20)
    for n in range(12):
        node.client.set(f"large:{n}", os.urandom(16) + noise)
    node.save()
    assert Flaky.refused == 4 and Flaky.checked >= 2, (Flaky.refused, Flaky.checked)
    assert stored("eu/flaky.rdb") == node.file() and node.info("s3_upload_failures") == 0
    s3.delete_object(Bucket=BUCKET, Key="eu/flaky.rdb")
    node.kill()
    proxy.shutdown()


def a_small_snapshot_is_sent():
    node = Node("first").up()
    node.client.set("small", "1")
    node.save()
    assert stored() == node.file()
    assert node.info("s3_last_upload_bytes") == len(node.file())


def a_large_one_goes_in_parts():
    node = nodes[-1]
    noise = os.urandom(1 << 20)
    for n in range(20):
        node.client.set(f"large:{n}", os.urandom(16) + noise)
    node.save()
    assert len(node.file()) > 20 << 20
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert head["ETag"].strip('"').endswith("-3"), head["ETag"]
    assert stored() == node.file()


def the_storage_may_be_away_for_a_while():
    node = nodes[-1]
    uploads = node.info("s3_uploads")
    node.client.set("while", "away")
    moto.send_signal(signal.SIGSTOP)
    try:
        assert node.client.bgsave()
        wait_until("it is being sent", lambda: node.info("s3_upload_in_progress") == 1)
        assert node.client.get("while") == b"away" and node.info("s3_uploads") == uploads
    finally:
        moto.send_signal(signal.SIGCONT)
    wait_until("it is there", lambda: node.info("s3_uploads") == uploads + 1)
    assert stored() == node.file()


def a_start_without_a_file_fetches_it():
    digest = nodes[-1].digest()
    node = Node("second").up()
    assert node.digest() == digest
    assert node.file() == stored()
    node.kill()


def the_end_waits_for_the_upload():
    node = nodes[-2]
    node.client.set("last", "word")
    digest = node.digest()
    node.client.shutdown(save=True)
    node.process.wait(SOON_S)
    node = Node("third", "--db-s3-keep", "2").up()
    assert node.digest() == digest and node.client.get("last") == b"word"


def copies_are_kept():
    node = nodes[-1]
    node.client.flushall()
    for n in range(3):
        node.client.set("n", n)
        node.save()
    copies = [key for key in keys() if key != KEY]
    assert len(copies) == 2, copies
    listed = restore("--list")
    assert listed.returncode == 0, listed.stderr
    times = [line.split()[0] for line in listed.stdout.splitlines()]
    assert [f"{KEY}.{time}" for time in times] == copies
    to = os.path.join(DIR, "restored")
    os.makedirs(to, exist_ok=True)
    path = os.path.join(to, "dump.rdb")
    done = restore("--at", times[0], "--to", path)
    assert done.returncode == 0, done.stderr
    assert open(path, "rb").read() == stored(copies[0])
    again = restore("--to", path)
    assert again.returncode == 1 and "--force" in again.stderr, again
    assert restore("--to", path, "--force").returncode == 0
    assert open(path, "rb").read() == stored()


def what_is_damaged_is_not_restored():
    s3.put_object(Bucket=BUCKET, Key="eu/bad.rdb", Body=stored()[:-20] + b"x" * 20)
    path = os.path.join(DIR, "bad.rdb")
    words = [SERVER, "restore", "--from", f"s3://{BUCKET}/eu/bad.rdb", "--to", path]
    done = subprocess.run(words, env=ENV, capture_output=True, text=True, timeout=SOON_S)
    assert done.returncode == 1 and "no sound snapshot" in done.stderr, done
    assert not os.path.exists(path)
    node = Node("bad", key="eu/bad.rdb")
    assert node.process.wait(SOON_S) == 1
    assert "Fatal error loading the DB" in open(node.log).read()
    missing = restore("--at", "19700101", "--to", path)
    assert missing.returncode == 1 and "no copy" in missing.stderr, missing


def a_refusal_is_told():
    node = nodes[-2]
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys()]})
    s3.delete_bucket(Bucket=BUCKET)
    node.client.save()
    wait_until("it has failed", lambda: node.info("s3_upload_failures") == 1)
    assert node.info("s3_last_upload_status") == "err"


CHECKS = [
    a_start_without_an_object_is_empty, what_is_refused_is_tried_again_and_all_bears_its_checksum,
    a_small_snapshot_is_sent, a_large_one_goes_in_parts,
    the_storage_may_be_away_for_a_while, a_start_without_a_file_fetches_it, the_end_waits_for_the_upload, copies_are_kept,
    what_is_damaged_is_not_restored, a_refusal_is_told,
]

try:
    wait_until("the storage answers", lambda: socket.create_connection(("127.0.0.1", S3_PORT)).close() is None)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok {name}", flush=True)
        except Exception:
            traceback.print_exc()
            print(f"FAILED {name}", flush=True)
    print("all checks were run")
finally:
    for node in nodes:
        node.process.kill()
    moto.kill()
