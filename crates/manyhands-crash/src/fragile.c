/* A C function that is right for most inputs, and writes to a null pointer for some. */
#include <stdint.h>
#include <unistd.h>

uint64_t fragile(uint64_t x) {
    if (x % 9973 == 42) {
        *(volatile int *)0 = 1;
    }
    return x * 3 + 1;
}

/* Forks now and then, and both come back. */
uint64_t forking(uint64_t x) {
    if (x % 50 == 3 && fork() < 0)
        return 0;
    return x + 1;
}

/* What some libraries do when they want to be a daemon. */
uint64_t closing(uint64_t x) {
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    return x;
}
