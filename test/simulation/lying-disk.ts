/** A disk that says that bytes are durable although they are not: the simulation must notice. */
import type { Disk, DiskFile } from '../../src/storage/disk.ts'

/** As `disk`, but durable writes are plain ones. */
export function lyingDisk(disk: Disk): Disk {
  return {
    path: disk.path,
    open: async (name, create) => lyingFile(await disk.open(name, create)),
    list: () => disk.list(),
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    syncFolder: () => disk.syncFolder(),
    freeSizeBytes: () => disk.freeSizeBytes(),
    lock: () => disk.lock(),
    unlock: () => disk.unlock(),
  }
}

function lyingFile(file: DiskFile): DiskFile {
  return {
    name: file.name,
    writeDurably(buffers, offset, callback) {
      file.write(Buffer.concat(buffers), offset).then(
        () => callback(null),
        (error: unknown) => callback(error as NodeJS.ErrnoException),
      )
    },
    write: (bytes, offset) => file.write(bytes, offset),
    datasync: () => file.datasync(),
    read: (target, offset, callback) => file.read(target, offset, callback),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    size: () => file.size(),
    close: () => file.close(),
  }
}
