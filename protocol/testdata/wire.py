"""A minimal client: enough of RESP2 to ask a live server what it answers."""
import socket
import threading


class Server:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        return self.pipe([words])[0]

    def pipe(self, commands):
        """Sends all commands at once; errors come back as values."""
        data = b"".join(self.encode(words) for words in commands)
        threading.Thread(target=self.socket.sendall, args=(data,)).start()
        return [self.read() for _ in commands]

    @staticmethod
    def encode(words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        return out

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            return Exception(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        return rest
