"""What workers do with objects of the standard library that they were given."""

from __future__ import annotations

kept = []


def keep(obj):
    kept[:] = [obj]


def take():
    obj = kept[0]
    obj.set() if hasattr(obj, "set") else obj.acquire()


def take_first():
    kept[0][0].acquire()


def give_back():
    kept[0].release()


def tell(word):
    queue, connection = kept[0]
    queue.put(word)
    connection.send(word)


def send(data):
    kept[0].send(data)


def write(memory):
    memory.buf[:2] = b"ok"
    memory.close()


def set_item(items, place, value):
    items[place] = value
    found = list(items)
    items.shm.close()
    return found
