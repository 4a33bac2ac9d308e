# Reads files as ruby-dotenv does; prints what read.mjs prints.
require "dotenv"
require "json"

puts JSON.dump(ARGV.map { |file|
  begin
    { value: Dotenv::Environment.new(file, false).to_h }
  rescue StandardError => e
    { error: e.to_s }
  end
})
