package kmsd

import (
	"fmt"
	"net/http"
)

// Control returns an HTTP API for other processes to change keys while a server runs:
//
//	PUT /state/<name>?s=<state>   creates the key if it doesn't exist
//	GET /state/<name>
//	GET /calls                    how often each operation was called
func (k *Keys) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) { answer(w, k.Calls()) })
	mux.HandleFunc("GET /state/{name...}", func(w http.ResponseWriter, r *http.Request) {
		state, err := k.State(r.PathValue("name"))
		if err != nil {
			refuse(w, http.StatusNotFound, err)
			return
		}
		_, _ = fmt.Fprintln(w, state)
	})
	mux.HandleFunc("PUT /state/{name...}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		_ = k.Create(name) // it may exist
		if err := k.SetState(name, State(r.URL.Query().Get("s"))); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
