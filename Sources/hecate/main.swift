// Everything lives in other files: code in this one would run on the main actor.
await HecateProgram.run()
