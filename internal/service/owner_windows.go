package service

import "io/fs"

func ownerOf(fs.FileInfo) (uid int, links uint64, known bool) { return 0, 0, false }
