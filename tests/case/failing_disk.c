/* Loaded before libc: the n-th write, flush or rename below one folder fails, as a bad disk does.

   fail_at(n, error, onwards) arms it, n counted from now on; onwards: so do all that follow.
   calls() says how many there were since. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long seen, target;
static int error_number, all_that_follow;

void fail_at(long n, int error, int onwards) {
    seen = 0;
    target = n;
    error_number = error;
    all_that_follow = onwards;
}

long calls(void) { return seen; }

static int below(const char *path) {
    const char *folder = getenv("FAIL_BELOW");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(int inside) {
    if (!inside || target <= 0) return 0;
    seen++;
    if (seen == target || (all_that_follow && seen > target)) {
        errno = error_number;
        return 1;
    }
    return 0;
}

static int fd_below(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int saved = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    return fails(fd_below(fd)) ? -1 : REAL(write)(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return fails(fd_below(fd)) ? -1 : REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return fails(fd_below(fd)) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fails(fd_below(fd)) ? -1 : REAL(writev)(fd, parts, count);
}
int fsync(int fd) { return fails(fd_below(fd)) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd_below(fd)) ? -1 : REAL(fdatasync)(fd); }
int syncfs(int fd) { return fails(fd_below(fd)) ? -1 : REAL(syncfs)(fd); }
int ftruncate(int fd, off_t size) { return fails(fd_below(fd)) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) {
    return fails(fd_below(fd)) ? -1 : REAL(ftruncate64)(fd, size);
}
int rename(const char *from, const char *to) {
    return fails(below(to)) ? -1 : REAL(rename)(from, to);
}
int renameat2(int at, const char *from, int there, const char *to, unsigned flags) {
    return fails(below(to)) ? -1 : REAL(renameat2)(at, from, there, to, flags);
}
ssize_t sendfile(int out, int in, off_t *at, size_t size) {
    ssize_t (*real)(int, int, off_t *, size_t) = dlsym(RTLD_NEXT, "sendfile");
    return fails(fd_below(out)) ? -1 : real(out, in, at, size);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    return fails(fd_below(out)) ? -1 : REAL(copy_file_range)(in, from, out, to, size, flags);
}
