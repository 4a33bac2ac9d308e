package run

import (
	"os"
	"time"
)

// keyboard copies what is typed.
type keyboard struct {
	from, to *os.File
	ended    chan struct{} // closed when the copying has ended; nil if it has not begun
}

func (k *keyboard) start() {
	_ = k.from.SetReadDeadline(time.Time{})
	ended := make(chan struct{})
	k.ended = ended
	go func() {
		defer close(ended)
		for buffer := make([]byte, 4096); ; {
			n, err := k.from.Read(buffer)
			if n > 0 {
				_, _ = k.to.Write(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
}

// stop ends the copying. No key is lost: the terminal keeps what was not read.
func (k *keyboard) stop() {
	if k.ended == nil {
		return
	}
	_ = k.from.SetReadDeadline(time.Unix(1, 0))
	<-k.ended
}
