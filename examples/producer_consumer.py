"""Producer and consumer: two queues passed as arguments to a `Process`.

The parent puts numbers into one queue, the child puts their squares into the other. `shutdown`
ends the loop on the other side once the queue is empty: no sentinel, no count.

    python examples/producer_consumer.py [how many]
"""

import sys

import manyhands as mp


def serve(tasks, results):
    """Answer until the tasks end; say so by ending the results."""
    for number in tasks:
        results.put((number, number * number))
    results.shutdown()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    tasks, results = mp.Queue(), mp.Queue()
    server = mp.Process(target=serve, args=(tasks, results))
    server.start()
    for number in range(count):
        tasks.put(number)
    tasks.shutdown()
    # Joining first is safe here: what was put stays in the queue, whoever is gone.
    server.join()
    for number, square in results:
        print(number, "squared is", square)
    print("exit code:", server.exitcode)


if __name__ == "__main__":
    main()
