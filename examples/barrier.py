"""A barrier: nobody begins a round before everybody has ended the one before.

Each process appends to a shared list of numbers under a lock; the barrier keeps the rounds apart,
and its action, which one of them runs, counts them.

    python examples/barrier.py [processes] [rounds]
"""

import sys

import manyhands as mp


def work(barrier, lock, length, marks, rounds):
    for turn in range(rounds):
        with lock:
            marks[length.value] = turn
            length.value += 1
        barrier.wait()


def main():
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    barrier, lock = mp.Barrier(processes), mp.Lock()
    length, marks = mp.Value("i", 0), mp.Array("i", processes * rounds)
    arguments = (barrier, lock, length, marks, rounds)
    workers = [mp.Process(target=work, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print("marks:", *marks[:])
    print("every round was whole:", list(marks) == sorted(marks))


if __name__ == "__main__":
    main()
