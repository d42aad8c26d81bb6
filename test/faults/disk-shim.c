/*
 * A disk that fails when it is told to, under the real Node binary: LD_PRELOAD=disk-shim.so.
 *
 * DISK_SHIM_ROOT    only files below this folder are meant
 * DISK_SHIM_RULES   a file with the faults of this moment, one a line:
 *                     OPERATION PATTERN ERROR [DELAY_MS]
 *                   OPERATION is open, create, write, sync, syncdir, truncate, rename, mkdir or close; PATTERN a part of the
 *                   path, or * for all; ERROR a number of errno.h, or 0 for none; "short" lets half of a write through, and the rest
 *                   find no room (ENOSPC)
 * DISK_SHIM_LOG     each create, sync, syncdir, truncate and rename, and each write that fails, with its path and its errno
 * DISK_SHIM_DURABLE what a loss of power would leave by the letter of POSIX: data/INODE is a file as it was last synced, and
 *                   dirs/PATH (with % for /) the names of a folder, with their inodes, as they were when that was
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int sys_open(const char *path, int flags, int mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static void sys_close(int fd) { syscall(SYS_close, fd); }

static ssize_t sys_pwrite(int fd, const void *bytes, size_t length, off_t at) {
  return (ssize_t)syscall(SYS_pwrite64, fd, bytes, length, at);
}

/* The path of a descriptor below the root, or 0. */
static const char *path_of(int fd, char into[PATH_MAX]) {
  const char *root = getenv("DISK_SHIM_ROOT");
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, into, PATH_MAX - 1);
  if (root == 0 || length < 0) return 0;
  into[length] = 0;
  return strncmp(into, root, strlen(root)) == 0 ? into : 0;
}

static int is_meant(const char *path) {
  const char *root = getenv("DISK_SHIM_ROOT");
  return root != 0 && path != 0 && strncmp(path, root, strlen(root)) == 0;
}

static void note(const char *operation, const char *path, int result) {
  const char *log = getenv("DISK_SHIM_LOG");
  if (log == 0) return;
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s %s %d\n", operation, path, result < 0 ? errno : 0);
  int fd = sys_open(log, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (fd < 0) return;
  syscall(SYS_write, fd, line, length);
  sys_close(fd);
}

enum { NO_FAULT = 0, SHORT = -1 };

/* The fault for an operation, once its delay is over. */
static int fault(const char *operation, const char *path) {
  const char *rules = getenv("DISK_SHIM_RULES");
  if (rules == 0) return NO_FAULT;
  int fd = sys_open(rules, O_RDONLY, 0);
  if (fd < 0) return NO_FAULT;
  char text[4096];
  ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
  sys_close(fd);
  if (length <= 0) return NO_FAULT;
  text[length] = 0;
  char *rest = text;
  for (char *line = strtok_r(rest, "\n", &rest); line != 0; line = strtok_r(0, "\n", &rest)) {
    char op[16], pattern[256], error[16];
    int delay = 0;
    if (sscanf(line, "%15s %255s %15s %d", op, pattern, error, &delay) < 3) continue;
    if (strcmp(op, operation) != 0 || (strcmp(pattern, "*") != 0 && strstr(path, pattern) == 0)) continue;
    if (delay > 0) {
      struct timespec time = {delay / 1000, (delay % 1000) * 1000000L};
      nanosleep(&time, 0);
    }
    return strcmp(error, "short") == 0 ? SHORT : atoi(error);
  }
  return NO_FAULT;
}

static int fails(const char *operation, const char *path) {
  int error = fault(operation, path);
  if (error <= 0) return 0;
  errno = error;
  return 1;
}

/* --- what lasts --- */

static pthread_mutex_t durable_lock = PTHREAD_MUTEX_INITIALIZER;

static int durable_path(char into[PATH_MAX], const char *kind, const char *name) {
  const char *durable = getenv("DISK_SHIM_DURABLE");
  if (durable == 0) return 0;
  int length = snprintf(into, PATH_MAX, "%s/%s/", durable, kind);
  for (; *name != 0 && length < PATH_MAX - 1; name++) into[length++] = *name == '/' ? '%' : *name;
  into[length] = 0;
  return 1;
}

/* An inode's number may be that of a file that is gone. */
static void forget(int fd) {
  struct stat stat;
  char name[32], path[PATH_MAX];
  if (fstat(fd, &stat) != 0) return;
  snprintf(name, sizeof name, "%lu", (unsigned long)stat.st_ino);
  if (durable_path(path, "data", name)) syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static void keep_file(int fd) {
  struct stat stat;
  char name[32], path[PATH_MAX], bytes[65536];
  if (fstat(fd, &stat) != 0) return;
  snprintf(name, sizeof name, "%lu", (unsigned long)stat.st_ino);
  if (!durable_path(path, "data", name)) return;
  pthread_mutex_lock(&durable_lock);
  int copy = sys_open(path, O_WRONLY | O_CREAT, 0644);
  syscall(SYS_ftruncate, copy, stat.st_size);
  for (off_t at = 0; at < stat.st_size;) {
    off_t data = (off_t)syscall(SYS_lseek, fd, at, SEEK_DATA);
    if (data < 0) break;
    off_t hole = (off_t)syscall(SYS_lseek, fd, data, SEEK_HOLE);
    for (at = data; at < hole;) {
      size_t want = (size_t)(hole - at) < sizeof bytes ? (size_t)(hole - at) : sizeof bytes;
      ssize_t read = (ssize_t)syscall(SYS_pread64, fd, bytes, want, at);
      if (read <= 0) break;
      sys_pwrite(copy, bytes, (size_t)read, at);
      at += read;
    }
  }
  sys_close(copy);
  pthread_mutex_unlock(&durable_lock);
}

static void keep_folder(const char *folder) {
  char path[PATH_MAX], next[PATH_MAX], line[PATH_MAX + 32];
  if (!durable_path(path, "dirs", folder) || !durable_path(next, "next", folder)) return;
  pthread_mutex_lock(&durable_lock);
  /* All of it or nothing: the process may be killed in the middle. */
  int list = sys_open(next, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  DIR *entries = opendir(folder);
  for (struct dirent *entry; entries != 0 && (entry = readdir(entries)) != 0;) {
    if (entry->d_name[0] == '.') continue;
    int length = snprintf(line, sizeof line, "%c %lu %s\n", entry->d_type == DT_DIR ? 'd' : 'f',
                          (unsigned long)entry->d_ino, entry->d_name);
    syscall(SYS_write, list, line, length);
  }
  if (entries != 0) closedir(entries);
  sys_close(list);
  syscall(SYS_renameat2, AT_FDCWD, next, AT_FDCWD, path, 0);
  pthread_mutex_unlock(&durable_lock);
}

/* --- the calls --- */

static int open_with(int (*real)(const char *, int, ...), const char *path, int flags, int mode) {
  if (!is_meant(path)) return real(path, flags, mode);
  const char *operation = (flags & O_CREAT) != 0 ? "create" : "open";
  if (fails(operation, path)) {
    note(operation, path, -1);
    return -1;
  }
  int fd = real(path, flags, mode);
  if ((flags & O_CREAT) != 0) {
    note(operation, path, fd);
    if (fd >= 0 && (flags & (O_EXCL | O_TRUNC)) != 0) forget(fd);
  }
  return fd;
}

#define OPEN(name)                                        \
  int name(const char *path, int flags, ...) {            \
    va_list rest;                                         \
    va_start(rest, flags);                                \
    int mode = (flags & O_CREAT) ? va_arg(rest, int) : 0; \
    va_end(rest);                                         \
    return open_with(REAL(name), path, flags, mode);      \
  }
OPEN(open)
OPEN(open64)

static ssize_t write_with(ssize_t (*real)(int, const void *, size_t, off_t), int fd, const void *bytes, size_t length,
                          off_t at) {
  char path[PATH_MAX];
  if (path_of(fd, path) == 0) return real(fd, bytes, length, at);
  static int was_short;
  int error = fault("write", path);
  if (error == SHORT && length > 1 && !was_short) {
    was_short = 1;
    return real(fd, bytes, length / 2, at);
  }
  was_short = 0;
  if (error != NO_FAULT) {
    errno = error == SHORT ? ENOSPC : error;
    note("write", path, -1);
    return -1;
  }
  return real(fd, bytes, length, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  return write_with(REAL(pwrite), fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  return write_with(REAL(pwrite64), fd, bytes, length, at);
}

static int sync_with(int (*real)(int), int fd) {
  char path[PATH_MAX];
  if (path_of(fd, path) == 0) return real(fd);
  struct stat stat;
  int is_folder = fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode);
  const char *operation = is_folder ? "syncdir" : "sync";
  int result = fails(operation, path) ? -1 : real(fd);
  note(operation, path, result);
  int error = errno;
  if (result == 0 && is_folder) keep_folder(path);
  if (result == 0 && !is_folder) keep_file(fd);
  errno = error;
  return result;
}

int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }

int fsync(int fd) { return sync_with(REAL(fsync), fd); }

static int truncate_with(int (*real)(int, off_t), int fd, off_t length) {
  char path[PATH_MAX];
  if (path_of(fd, path) == 0) return real(fd, length);
  int result = fails("truncate", path) ? -1 : real(fd, length);
  note("truncate", path, result);
  return result;
}

int ftruncate(int fd, off_t length) { return truncate_with(REAL(ftruncate), fd, length); }

int ftruncate64(int fd, off64_t length) { return truncate_with(REAL(ftruncate64), fd, length); }

int rename(const char *from, const char *to) {
  if (!is_meant(to)) return REAL(rename)(from, to);
  /* What is replaced stays open: until the folder is synced it is what lasts, and no other file may get its inode's number. */
  if (getenv("DISK_SHIM_DURABLE") != 0) sys_open(to, O_RDONLY, 0);
  int result = fails("rename", to) ? -1 : REAL(rename)(from, to);
  note("rename", to, result);
  return result;
}

int mkdir(const char *path, mode_t mode) {
  if (!is_meant(path)) return REAL(mkdir)(path, mode);
  return fails("mkdir", path) ? -1 : REAL(mkdir)(path, mode);
}

int close(int fd) {
  char path[PATH_MAX];
  if (path_of(fd, path) != 0 && fails("close", path)) {
    sys_close(fd);
    return -1;
  }
  return REAL(close)(fd);
}
