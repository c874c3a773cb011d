package journal

import (
	"fmt"
	"os"
	"syscall"
)

// FailAt makes the journal meet an error of the disk at the points that f returns one for.
func (j *Journal) FailAt(f func(point string) error) { j.file.Trace(f) }

// Quota leaves room for so many more pages of the file: beyond them the disk is full.
func (j *Journal) Quota(pages int) error {
	var used, limit int
	if err := j.file.DB().QueryRow("PRAGMA page_count").Scan(&used); err != nil {
		return err
	}
	return j.file.DB().QueryRow(fmt.Sprintf("PRAGMA max_page_count = %d", used+pages)).Scan(&limit)
}

// InheritLock returns the file that is locked once more, as a process has it that is being started.
func (j *Journal) InheritLock() (*os.File, error) {
	fd, err := syscall.Dup(int(j.file.seen.file.Fd()))
	return os.NewFile(uintptr(fd), "inherited"), err
}
