class Coffer < Formula
  desc "Encrypted secrets manager for the command line"
  homepage "https://github.com/coffer-secrets/coffer"
  version "@VERSION@"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/coffer-secrets/coffer/releases/download/v@VERSION@/coffer_@VERSION@_darwin_arm64.tar.gz"
      sha256 "@darwin_arm64@"
    end
    on_intel do
      url "https://github.com/coffer-secrets/coffer/releases/download/v@VERSION@/coffer_@VERSION@_darwin_amd64.tar.gz"
      sha256 "@darwin_amd64@"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/coffer-secrets/coffer/releases/download/v@VERSION@/coffer_@VERSION@_linux_arm64.tar.gz"
      sha256 "@linux_arm64@"
    end
    on_intel do
      url "https://github.com/coffer-secrets/coffer/releases/download/v@VERSION@/coffer_@VERSION@_linux_amd64.tar.gz"
      sha256 "@linux_amd64@"
    end
  end

  def install
    bin.install "coffer"
    bash_completion.install "completions/coffer.bash" => "coffer"
    zsh_completion.install "completions/_coffer"
    fish_completion.install "completions/coffer.fish"
    man1.install Dir["man/*.1.gz"]
    man5.install Dir["man/*.5.gz"]
  end

  test do
    assert_match "coffer #{version}", shell_output("#{bin}/coffer version")
  end
end
