"""A conversation over a pipe: each side sends and receives objects; closing ends it.

python examples/conversation.py [a word] [another] ...
"""

import sys

import manyhands as mp


def listen(connection):
    """Answer each word by its reverse until the other side closes its end."""
    with connection:
        while True:
            try:
                word = connection.recv()
            except EOFError:
                return
            connection.send(word[::-1])


def main():
    words = sys.argv[1:] or ["desserts", "level", "drawer"]
    here, there = mp.Pipe()
    listener = mp.Process(target=listen, args=(there,))
    listener.start()
    there.close()  # so that the end of file comes when the child is gone
    with here:
        for word in words:
            here.send(word)
            print(word, "->", here.recv())
    listener.join()
    print("exit code:", listener.exitcode)


if __name__ == "__main__":
    main()
