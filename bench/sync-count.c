/*
 * Counts how often a process asks for bytes to be on the medium. Loaded in front of the C library (LD_PRELOAD), it needs no
 * privilege and costs a call, where tracing costs each system call of the machine. What makes its system calls itself, as
 * programs in Go do, is not counted.
 *
 * SYNC_COUNT names a file of 8 bytes, mapped here and read by bench/syncs.ts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t *count;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_msync)(void *, size_t, int);

__attribute__((constructor)) static void start(void) {
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_msync = dlsym(RTLD_NEXT, "msync");
  const char *path = getenv("SYNC_COUNT");
  int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) count = page;
}

static void add(void) {
  if (count != NULL) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
}

int fsync(int file) {
  add();
  return real_fsync(file);
}

int fdatasync(int file) {
  add();
  return real_fdatasync(file);
}

int msync(void *start, size_t length, int flags) {
  add();
  return real_msync(start, length, flags);
}
