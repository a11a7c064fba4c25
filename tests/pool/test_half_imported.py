"""A fork while another thread imports: the child imports that module anew, and waits for nobody."""

from __future__ import annotations

from support import run_script

SCRIPT = """
import os
import sys
import threading
import manyhands as mp
import tasks

with open("slow.py", "w") as file:
    file.write('''
import os
import tasks
tasks.note("journal", os.getpid())
tasks.await_file("release")
value = 7
''')
sys.path.insert(0, os.getcwd())

def read(x):
    import slow
    return slow.value + x

def tell(queue):
    queue.put(read(2))

def importing():
    return os.path.exists("journal")

thread = threading.Thread(target=lambda: __import__("slow"))
thread.start()
while not importing():
    pass
pool = mp.Pool(2, context="fork")
queue = mp.Queue()
process = mp.get_context("fork").Process(target=tell, args=(queue,))
process.start()
pool.apply(abs, (1,))
tasks.touch("release")
print(pool.map(read, range(3)))
print(queue.get(timeout=30))
process.join()
thread.join()
print(read(0), process.exitcode)
pool.close()
pool.join()
"""

USERS = """
import os
import sys
import threading
import manyhands as mp
import tasks

with open("slow.py", "w") as file:
    file.write('''
import tasks
tasks.touch("importing")
tasks.await_file("release")
value = 7
''')
sys.path.insert(0, os.getcwd())

thread = threading.Thread(target=lambda: __import__("slow"))
thread.start()
tasks.await_file("importing")
queue = mp.Queue()
pid = os.fork()
if pid == 0:
    tasks.touch("release")
    import slow  # the thread that imports it is not here
    queue.put(slow.value)
    os._exit(0)
print(queue.get(timeout=30), os.waitpid(pid, 0)[1])
thread.join()
print(sys.modules["slow"].value)
"""

OWN = """
import manyhands as mp
import tasks

with open("uses_a_pool.py", "w") as file:
    file.write('''
import manyhands as mp
def twice(x):
    return 2 * x
with mp.Pool(2, context="fork") as pool:
    found = pool.map(twice, range(3))
''')
import os
import sys
sys.path.insert(0, os.getcwd())
import uses_a_pool
print(uses_a_pool.found)
"""


def test_what_another_thread_imports_is_imported_anew(tmp_path):
    outcome = run_script(tmp_path, SCRIPT)
    assert outcome.lines == ["[7, 8, 9]", "9", "7 0"], outcome.err


def test_so_it_is_after_a_fork_of_the_users_own(tmp_path):
    outcome = run_script(tmp_path, USERS)
    assert outcome.lines == ["7 0", "7"], outcome.err


def test_a_module_that_forks_while_it_is_imported(tmp_path):
    outcome = run_script(tmp_path, OWN)
    assert outcome.lines == ["[0, 2, 4]"], outcome.err
