// Ctrl-C as it is heard: counted, then passed on to who listened before. It is no part of a kernel.
// Needs nothing; watch.py has it built where a run is made in another thread than Python's main one.

#include <signal.h>
#include <stdint.h>

static int64_t *count;
static struct sigaction before;

static void hear(int number, siginfo_t *info, void *context)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
    if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(number, info, context);
    else before.sa_handler(number);
}

// Counts at an address from now on, as long as Python's own handler is there to be passed on to: who puts
// another one in its place is not listened to.
__attribute__((visibility("default"))) void KERNEL(int64_t *where)
{
    struct sigaction now;
    if (sigaction(SIGINT, 0, &now) != 0) return;
    if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) return;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == hear) return;
    before = now;
    count = where;
    now.sa_flags |= SA_SIGINFO;
    now.sa_sigaction = hear;
    sigaction(SIGINT, &now, 0);
}
